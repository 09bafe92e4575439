import { Base64 } from "convex/values";
import type { Chunks, StoredBytes } from "../engine/file-store.ts";

/** Takes one chunk; the next one comes when it has resolved, and the bytes are its own only until then. */
export type Sink = (chunk: Uint8Array) => Promise<void>;

/** Moves bytes into a sink. Never more than one chunk is on its way. */
export async function copyHashed(chunks: Chunks, sink: Sink): Promise<StoredBytes> {
  const stream = new crypto.DigestStream("SHA-256");
  const hash = stream.getWriter();
  let size = 0;
  try {
    for await (const chunk of chunks) {
      await Promise.all([hash.write(chunk), sink(chunk)]);
      size += chunk.byteLength;
    }
  } catch (error) {
    // Nobody waits for the digest of something incomplete.
    stream.digest.catch(() => undefined);
    await hash.abort(error);
    throw error;
  }
  await hash.close();
  return { size, sha256: Base64.fromByteArray(new Uint8Array(await stream.digest)) };
}
