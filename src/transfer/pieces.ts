import { concatenate } from "../shared/bytes.ts";
import type { ByteReader } from "../shared/byte-reader.ts";

/** A long object of bytes in a bucket, in numbered pieces of any size: R2's own multipart wants equal ones. */
export interface Piece {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
}

/** Keys are fixed-width, so that the order of keys is the order of pieces. */
export function pieceKey(folder: string, number: number): string {
  return `${folder}/${String(number).padStart(6, "0")}`;
}

/** What is stored below the folder, in order. */
export async function listPieces(bucket: R2Bucket, folder: string): Promise<readonly Piece[]> {
  const pieces: Piece[] = [];
  let cursor: string | undefined;
  do {
    const page: R2Objects = await bucket.list({
      prefix: `${folder}/`,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const { key, size, etag } of page.objects) pieces.push({ key, size, etag });
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return pieces;
}

const DELETE_KEYS = 1000;

export async function deleteFolder(bucket: R2Bucket, folder: string): Promise<void> {
  const pieces = await listPieces(bucket, folder);
  for (let start = 0; start < pieces.length; start += DELETE_KEYS) {
    await bucket.delete(pieces.slice(start, start + DELETE_KEYS).map(({ key }) => key));
  }
}

/** Bytes that can be read from anywhere. */
export interface RandomAccess {
  readonly size: number;
  /** In order, from `offset` on, `length` bytes or to the end. Each chunk is the caller's. */
  read(offset: number, length?: number): AsyncIterable<Uint8Array>;
}

export class PieceReader implements RandomAccess {
  readonly #bucket: R2Bucket;
  readonly #pieces: readonly Piece[];
  readonly size: number;

  constructor(bucket: R2Bucket, pieces: readonly Piece[]) {
    this.#bucket = bucket;
    this.#pieces = pieces;
    this.size = pieces.reduce((sum, { size }) => sum + size, 0);
  }

  async *read(offset: number, length = this.size - offset): AsyncIterable<Uint8Array> {
    let start = 0;
    const end = Math.min(offset + length, this.size);
    for (const { key, size } of this.#pieces) {
      const from = Math.max(offset - start, 0);
      const to = Math.min(end - start, size);
      start += size;
      if (from >= to) continue;
      const object = await this.#bucket.get(key, { range: { offset: from, length: to - from } });
      if (object === null) throw new Error(`${key} is gone`);
      yield* chunksOf(object.body);
    }
  }
}

const CHUNK_BYTES = 256 * 1024;

/** Far larger ones than the stream gives out when it is not asked (CONTRIBUTING.md, known gotchas). */
export async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader: ByteReader = stream.getReader({ mode: "byob" });
  try {
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(CHUNK_BYTES), { min: CHUNK_BYTES });
      if (value !== undefined && value.length > 0) yield value;
      if (done) return;
    }
  } finally {
    // Whoever stops early is done with it.
    await reader.cancel().catch(() => undefined);
  }
}

/** Read as far as it is asked for. */
export function streamOf(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

/** All of it at once. */
export async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    length += chunk.length;
  }
  return concatenate(parts, length);
}
