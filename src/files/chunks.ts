import type { ByteReader } from "../shared/byte-reader.ts";
import { CodedError } from "../shared/coded-error.ts";

/** Far larger than what a stream gives out when it is not asked: each chunk costs a turn of everybody who handles it. */
const CHUNK_BYTES = 256 * 1024;
/** A chunk is handed on when it has this much. */
const MIN_CHUNK_BYTES = CHUNK_BYTES / 2;

/**
 * The bytes of a stream from outside, in chunks that share one buffer: each is valid until the next is asked for.
 * `idleMs`: a sender that does not fill a chunk in this time is given up. `size`: of all of it, when that is known. What
 * is short comes as one chunk, in a buffer of its size.
 */
export async function* chunksOf(
  stream: ReadableStream<Uint8Array>,
  idleMs: number,
  size: number | null = null,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader: ByteReader = stream.getReader({ mode: "byob" });
  const short = size !== null && size > 0 && size <= MIN_CHUNK_BYTES;
  let buffer = new ArrayBuffer(short ? size : CHUNK_BYTES);
  try {
    for (;;) {
      const reading = reader.read(new Uint8Array(buffer), { min: short ? size : MIN_CHUNK_BYTES }).catch(brokenOff);
      const { done, value } = await within(idleMs, reading);
      if (value !== undefined && value.length > 0) {
        yield value;
        ({ buffer } = value);
      }
      if (done) return;
    }
  } finally {
    // The sender has nothing left to say, or nobody listens any more.
    await reader.cancel().catch(() => undefined);
  }
}

async function within<T>(ms: number, reading: Promise<T>): Promise<T> {
  const { promise: idle, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(tooSlow(ms)), ms);
  try {
    return await Promise.race([reading, idle]);
  } finally {
    clearTimeout(timer);
    reading.catch(() => undefined);
  }
}

function brokenOff(cause: unknown): never {
  throw new CodedError("ClientDisconnect", "RequestBodyIncomplete", "The request body ended early", { cause });
}

function tooSlow(ms: number): CodedError {
  const message = `Less than ${MIN_CHUNK_BYTES} bytes of the file came in ${ms / 1000}s.`;
  return new CodedError("ClientDisconnect", "UploadTooSlow", message);
}
