import type { FileStore, FileBody, FileRef } from "../engine/file-store.ts";
import type { ComponentPath, InternalId } from "../engine/names.ts";
import type { StoredFile } from "../engine/stored-files.ts";
import { toHex } from "../shared/bytes.ts";
import type { Clock } from "../shared/clock.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { Random } from "../shared/random.ts";
import { allocateInternalId } from "../values/document-id.ts";
import { chunksOf } from "./chunks.ts";
import type { UploadTokens } from "./upload-tokens.ts";

export interface NewFile extends Omit<FileBody, "bytes"> {
  /** `null`: an empty file. */
  readonly bytes: ReadableStream<Uint8Array> | null;
  readonly contentType: string | null;
}

export interface UploadParts {
  readonly store: FileStore;
  readonly tokens: UploadTokens;
  /** Commits the document and resolves with its id. `again`: the answer to the first attempt was lost. */
  readonly record: (file: StoredFile, startedAt: number, again: boolean) => Promise<string>;
  /** Milliseconds after which a sender that sends next to nothing is given up. */
  readonly idleMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Stores files outside of any transaction: first the bytes, then, in a transaction of its own, the document that makes
 * them a file. Whatever ends in between leaves bytes that nobody sees, and that the sweeper removes.
 */
export class Uploads {
  readonly #parts: UploadParts;

  constructor(parts: UploadParts) {
    this.#parts = parts;
  }

  /** Resolves with the id of the document. Every mutation that begins now sees it. */
  async upload(token: string, file: NewFile): Promise<string> {
    return this.store(await this.#parts.tokens.verify(token), file);
  }

  async store(component: ComponentPath, { contentType, bytes, size, sha256 }: NewFile): Promise<string> {
    const { store, idleMs, clock, random } = this.#parts;
    const startedAt = clock.now();
    // The hex of 16 bytes is an internal id.
    const ref: FileRef = { component, id: toHex(allocateInternalId(random, clock)) as InternalId };
    const body = bytes === null ? { bytes: [], size: 0 } : { bytes: chunksOf(bytes, idleMs, size), size };
    const stored = await store.put(ref, { ...body, sha256 });
    return this.#record({ ...stored, ref, contentType }, startedAt);
  }

  /** Asked again, the same file is recorded once: so it may be when the first answer was lost. */
  async #record(file: StoredFile, startedAt: number): Promise<string> {
    const { record, store } = this.#parts;
    try {
      return await record(file, startedAt, false).catch((error: unknown) => {
        if (error instanceof CodedError && error.retryable) return record(file, startedAt, true);
        throw error;
      });
    } catch (error) {
      // Refused for good: nobody will ever refer to it.
      if (error instanceof CodedError && !error.retryable) await store.delete([file.ref]);
      throw error;
    }
  }
}
