import { createHash, createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import type { HmacKey } from "../src/signing/hmac.ts";

/**
 * Signatures at once. Each operation of Node's WebCrypto is a job of its thread pool, and two of them per request took
 * more CPU than everything else the service does for an action.
 */
export function nodeHmacKey(text: string): HmacKey {
  const key = createSecretKey(text, "utf8");
  const mac = (data: Uint8Array): Buffer => createHmac("sha256", key).update(data).digest();
  return {
    sign: mac,
    verify: (data, signature) => {
      const expected = mac(data);
      return signature.length === expected.length && timingSafeEqual(expected, signature);
    },
  };
}

export function nodeSha256(body: Uint8Array): Uint8Array {
  return createHash("sha256").update(body).digest();
}
