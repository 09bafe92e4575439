import type { MasterSecret } from "./secret.ts";

/** The text was not sealed by this deployment for this purpose, or was altered. */
export class UnsealError extends Error {
  override readonly name = "UnsealError";
}

const NONCE_BYTES = 12;

/**
 * Deterministic authenticated encryption of short texts that clients carry for us: pagination cursors and function
 * handles. The nonce is a MAC of the plaintext (as in SIV), so equal texts give equal tokens — a re-run query must
 * return byte-identical cursors (`wire.md` §3.7.4) — and different ones never share a nonce.
 */
export class SealedText {
  readonly #encryption: Promise<CryptoKey>;
  readonly #nonce: Promise<CryptoKey>;

  constructor(secret: MasterSecret, purpose: string) {
    this.#encryption = secret.encryptionKey(`convection/${purpose}/encryption`);
    this.#nonce = secret.hmacKey(`convection/${purpose}/nonce`);
  }

  /** URL-safe base64 without padding. */
  async seal(text: string): Promise<string> {
    const plain = new TextEncoder().encode(text);
    const nonce = new Uint8Array(await crypto.subtle.sign("HMAC", await this.#nonce, plain)).slice(0, NONCE_BYTES);
    const key = await this.#encryption;
    const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, key, plain));
    const token = new Uint8Array(NONCE_BYTES + sealed.length);
    token.set(nonce);
    token.set(sealed, NONCE_BYTES);
    return encodeBase64Url(token);
  }

  /** Throws `UnsealError`. */
  async unseal(token: string): Promise<string> {
    const bytes = decodeBase64Url(token);
    if (bytes === null || bytes.length <= NONCE_BYTES) throw new UnsealError("not a token of this deployment");
    const iv = bytes.slice(0, NONCE_BYTES);
    const key = await this.#encryption;
    try {
      const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, bytes.slice(NONCE_BYTES));
      return new TextDecoder().decode(plain);
    } catch (error) {
      // WebCrypto reports every failed authentication as one opaque OperationError.
      throw new UnsealError("not a token of this deployment", { cause: error });
    }
  }
}

function encodeBase64Url(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function decodeBase64Url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]+$/.test(text) || text.length % 4 === 1) return null;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
