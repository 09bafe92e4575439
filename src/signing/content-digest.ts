const FIELD = /^sha-256=:([A-Za-z0-9+/]{43}=):$/;

export async function sha256(body: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", unshared(body)));
}

/** The types of each world disagree on what `TextEncoder` returns; WebCrypto takes no shared memory. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes;
  return buffer instanceof ArrayBuffer ? new Uint8Array(buffer, byteOffset, byteLength) : bytes.slice();
}

/** Value of `Content-Digest` (RFC 9530) of a body with this sha-256. */
export function contentDigestField(digest: Uint8Array): string {
  return `sha-256=:${btoa(String.fromCharCode(...digest))}:`;
}

/** Whether the field names this digest and no other. Both ends write one algorithm, so one spelling is accepted. */
export function isContentDigest(field: string, digest: Uint8Array): boolean {
  return FIELD.test(field) && field === contentDigestField(digest);
}
