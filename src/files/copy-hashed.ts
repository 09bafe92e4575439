import type { StoredBytes } from "../engine/file-store.ts";

/** Takes one chunk; the next one comes when it has resolved. The bytes are its own only until then. */
export type Sink = (chunk: Uint8Array) => Promise<void>;

/** Moves a stream into a sink, chunk by chunk: never more than one of them is in memory. */
export async function copyHashed(bytes: ReadableStream<Uint8Array>, sink: Sink): Promise<StoredBytes> {
  const digest = new crypto.DigestStream("SHA-256");
  const hash = digest.getWriter();
  let size = 0;
  try {
    for await (const chunk of bytes) {
      await Promise.all([hash.write(chunk), sink(chunk)]);
      size += chunk.byteLength;
    }
    await hash.close();
  } catch (error) {
    await hash.abort(error);
    digest.digest.catch(() => undefined);
    throw error;
  }
  return { size, sha256: toBase64(new Uint8Array(await digest.digest)) };
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
