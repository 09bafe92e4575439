import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { FileBody, FileRef, FileStore } from "../../../src/engine/file-store.ts";
import type { InternalId } from "../../../src/engine/names.ts";
import { dayOf } from "../../../src/files/object-key.ts";

const MIB = 1024 * 1024;
/** More than one chunk. */
const LARGE = "large ".repeat(50_000);

let count = 0;
/** Of a day of its own, unless one is given. */
function newFile(component = "", day = ++count + 1000): FileRef {
  const id = `${(++count).toString(16).padStart(28, "0")}${day.toString(16).padStart(4, "0")}`.toUpperCase();
  return { component, id: id as InternalId };
}

function body(chunks: readonly string[], expected: Partial<Pick<FileBody, "size" | "sha256">> = {}): FileBody {
  return { bytes: chunks.map((chunk) => new TextEncoder().encode(chunk)), size: null, sha256: null, ...expected };
}

function hash(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("base64");
}

/** What every `FileStore` does. Small files, others of a known size, and those of an unknown one take different ways through R2. */
export function fileStoreContract(name: string, create: () => Promise<FileStore>): void {
  const text = async (stream: ReadableStream<Uint8Array> | null): Promise<string | null> =>
    stream === null ? null : new Response(stream).text();

  test(`FILE8 ${name}: what was put is there, with its size and hash`, async () => {
    const store = await create();
    for (const size of [6, null]) {
      const file = newFile();
      expect(await store.put(file, body(["abc", "def"], { size }))).toEqual({ size: 6, sha256: hash("abcdef") });
      expect(await text(await store.get(file))).toBe("abcdef");
      expect(await text(await store.get(file, { offset: 2, length: 3 }))).toBe("cde");
    }
    expect(await store.get(newFile())).toBe(null);
  });

  test(`FILE8 ${name}: an empty file is one`, async () => {
    const store = await create();
    for (const size of [0, null]) {
      const file = newFile();
      expect(await store.put(file, body([], { size }))).toEqual({ size: 0, sha256: hash("") });
      expect(await text(await store.get(file))).toBe("");
    }
  });

  test(`FILE8 ${name}: other bytes than announced are not stored`, async () => {
    const store = await create();
    for (const [text, size] of [
      ["abc", 3],
      ["abc", null],
      [LARGE, LARGE.length],
    ] as const) {
      const file = newFile();
      await expect(store.put(file, body([text], { size, sha256: hash("abd") }))).rejects.toThrow("Sha256 mismatch");
      expect(await store.get(file)).toBe(null);
      expect((await store.put(file, body([text], { size, sha256: hash(text) }))).size).toBe(text.length);
    }
    for (const [text, size] of [
      ["abc", 2],
      ["abc", 4],
      [LARGE, LARGE.length - 1],
      [LARGE, LARGE.length + 1],
    ] as const) {
      const file = newFile();
      await expect(store.put(file, body([text], { size }))).rejects.toThrow();
      expect(await store.get(file)).toBe(null);
    }
  });

  test(`FILE2 ${name}: bytes that break off are not stored`, async () => {
    const store = await create();
    for (const size of [12 * MIB, null]) {
      const file = newFile();
      const bytes = (function* () {
        for (let i = 0; i < 10; i++) yield new Uint8Array(MIB);
        throw new Error("broken off");
      })();
      await expect(store.put(file, { bytes, size, sha256: null })).rejects.toThrow("broken off");
      expect(await store.get(file)).toBe(null);
      expect((await store.list(dayOf(file.id), null)).objects).toEqual([]);
    }
  });

  test(`FILE9 ${name}: many bytes arrive whole in chunks of any size, whether they are reused or not`, async () => {
    const store = await create();
    const size = 21 * MIB + 12_345;
    const content = new Uint8Array(size).map((_, i) => i * 31 + (i >> 9));
    for (const known of [true, false]) {
      const file = newFile();
      const bytes = (function* () {
        const buffer = new Uint8Array(777_777);
        for (let start = 0; start < size; start += buffer.length) {
          const chunk = content.subarray(start, start + buffer.length);
          buffer.set(chunk);
          yield buffer.subarray(0, chunk.length);
          // As a reader that reuses its buffer does, behind the back of whoever kept it.
          buffer.fill(0);
        }
      })();
      const stored = await store.put(file, { bytes, size: known ? size : null, sha256: null });
      expect(stored).toEqual({ size, sha256: hash(content) });
      const stream = await store.get(file);
      expect(hash(new Uint8Array(await new Response(stream).arrayBuffer()))).toBe(hash(content));
    }
  });

  test(`FILE3 ${name}: files are listed by the day of their ids, with their components, until they are deleted`, async () => {
    const store = await create();
    const files = ["", "a", "a/b_c"].map((component) => newFile(component, 900));
    const other = newFile("", 901);
    for (const file of [...files, other]) await store.put(file, body(["x"]));
    const { objects, cursor } = await store.list(900, null);
    expect(cursor).toBe(null);
    expect(objects.map(({ file }) => file)).toEqual(expect.arrayContaining(files));
    expect(objects.length).toBe(3);
    for (const { storedAt } of objects) expect(Math.abs(storedAt - Date.now())).toBeLessThan(60_000);
    await store.delete([...files, newFile()]);
    expect((await store.list(900, null)).objects).toEqual([]);
    expect(await text(await store.get(other))).toBe("x");
  });
}
