/**
 * The deployment's master secret. Every other key is derived from it by HKDF-SHA-256 with a label of its own, so that
 * none of them tells anything about another (RFC 5869).
 */
export class MasterSecret {
  readonly #material: Promise<CryptoKey>;

  /** `text` = the secret as configured; at least 32 random bytes in hex are expected of the operator. */
  constructor(text: string) {
    this.#material = crypto.subtle.importKey("raw", new TextEncoder().encode(text), "HKDF", false, ["deriveKey"]);
  }

  hmacKey(label: string): Promise<CryptoKey> {
    return this.#derive(label, { name: "HMAC", hash: "SHA-256", length: 256 }, ["sign", "verify"]);
  }

  encryptionKey(label: string): Promise<CryptoKey> {
    return this.#derive(label, { name: "AES-GCM", length: 256 }, ["encrypt", "decrypt"]);
  }

  async #derive(
    label: string,
    algorithm: { readonly name: string; readonly hash?: string; readonly length: number },
    usages: readonly ("sign" | "verify" | "encrypt" | "decrypt")[],
  ): Promise<CryptoKey> {
    const parameters = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: new TextEncoder().encode(label) };
    return crypto.subtle.deriveKey(parameters, await this.#material, algorithm, false, [...usages]);
  }
}
