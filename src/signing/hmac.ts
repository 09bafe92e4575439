/** A secret key of hmac-sha256. Each end has its own: WebCrypto here, what is faster there. */
export interface HmacKey {
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Compares in constant time. */
  verify(data: Uint8Array, signature: Uint8Array): boolean | Promise<boolean>;
}

/** The UTF-8 bytes of `text` are the key. */
export type ImportHmacKey = (text: string) => HmacKey | Promise<HmacKey>;

export type Sha256 = (body: Uint8Array) => Uint8Array | Promise<Uint8Array>;

export async function webHmacKey(text: string): Promise<HmacKey> {
  const bytes = new TextEncoder().encode(text);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign", "verify"]);
  return {
    sign: async (data) => new Uint8Array(await crypto.subtle.sign("HMAC", key, data.slice())),
    verify: (data, signature) => crypto.subtle.verify("HMAC", key, signature.slice(), data.slice()),
  };
}
