import { exportJWK, generateKeyPair, type JWK } from "jose";
import { z } from "zod";
import type { JsonValue } from "../shared/json.ts";
import { SIGNING_KEY } from "../runtime/functions/jwt-signer.ts";
import { sha256Hex } from "./digest.ts";
import type { EnvironmentCipher } from "./environment-cipher.ts";

/** Tokens last an hour at most, so that the key before the present one is all that anybody can still need. */
const KEPT = 1;

/**
 * What the deployment's keys for `ctx.auth.signJwt` become with a push; null: they stay. There is a first key with the
 * first push, and a new one in front with the first push under a new deployment secret.
 */
export async function signingKeyChange(
  stored: JsonValue | undefined,
  cipher: Pick<EnvironmentCipher, "seal" | "open" | "isCurrent">,
): Promise<JsonValue | null> {
  if (stored !== undefined && stored !== null && (await cipher.isCurrent(stored))) return null;
  const before = stored === undefined || stored === null ? [] : await readable(stored, cipher);
  const keys = [await newKey(), ...before.slice(0, KEPT)];
  return cipher.seal(SIGNING_KEY, JSON.stringify(keys));
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = (await sha256Hex(`${jwk.x}.${jwk.y}`)).slice(0, 16);
  return { ...jwk, kid, alg: "ES256", use: "sig" };
}

async function readable(stored: JsonValue, cipher: Pick<EnvironmentCipher, "open">): Promise<readonly JWK[]> {
  let text: string;
  try {
    text = await cipher.open(SIGNING_KEY, stored);
  } catch {
    // The secret before the present one is gone, and with it every key that was sealed under it.
    return [];
  }
  return z.array(z.looseObject({})).parse(JSON.parse(text));
}
