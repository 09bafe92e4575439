import { Base64 } from "convex/values";
import type { Chunks, StoredBytes } from "../engine/file-store.ts";

/** Of a body that is shorter, one chunk of it is all of it. */
export const SMALL_BODY_BYTES = 128 * 1024;

/** All bytes of a body that is announced to have `size`, `SMALL_BODY_BYTES` at most. */
export async function smallBody(chunks: Chunks, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  let length = 0;
  for await (const chunk of chunks) {
    if (length + chunk.byteLength <= size) bytes.set(chunk, length);
    length += chunk.byteLength;
  }
  if (length !== size) throw new Error(`${length} bytes came instead of ${size}`);
  return bytes;
}

export async function hashed(bytes: Uint8Array<ArrayBuffer>): Promise<StoredBytes> {
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return { size: bytes.byteLength, sha256: Base64.fromByteArray(new Uint8Array(hash)) };
}
