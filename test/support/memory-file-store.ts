import { createHash } from "node:crypto";
import type { ByteRange, FileBody, FileRef, FileStore, ObjectPage, StoredBytes } from "../../src/engine/file-store.ts";
import type { Clock } from "../../src/shared/clock.ts";
import { checkHash } from "../../src/files/hash-mismatch.ts";
import { dayOf, objectKey } from "../../src/files/object-key.ts";

interface Entry {
  readonly file: FileRef;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly storedAt: number;
}

/** Files of tests that need no bucket. */
export class MemoryFileStore implements FileStore {
  readonly entries = new Map<string, Entry>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async put(file: FileRef, { bytes: chunks, size, sha256 }: FileBody): Promise<StoredBytes> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const chunk of chunks) parts.push(new Uint8Array(chunk));
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    if (size !== null && bytes.length !== size) throw new Error(`${bytes.length} bytes came instead of ${size}`);
    const stored = { size: bytes.length, sha256: createHash("sha256").update(bytes).digest("base64") };
    checkHash(stored, sha256);
    this.entries.set(objectKey(file), { file, bytes, storedAt: this.#clock.now() });
    return stored;
  }

  async get(file: FileRef, range?: ByteRange): Promise<ReadableStream<Uint8Array> | null> {
    const bytes = this.entries.get(objectKey(file))?.bytes;
    if (bytes === undefined) return null;
    const part = range === undefined ? bytes : bytes.slice(range.offset, range.offset + range.length);
    return new Blob([part]).stream();
  }

  async delete(files: readonly FileRef[]): Promise<void> {
    for (const file of files) this.entries.delete(objectKey(file));
  }

  async list(day: number): Promise<ObjectPage> {
    const objects = [...this.entries.values()].filter(({ file }) => dayOf(file.id) === day);
    return { objects: objects.map(({ file, storedAt }) => ({ file, storedAt })), cursor: null };
  }
}
