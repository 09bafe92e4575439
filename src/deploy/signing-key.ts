import { exportJWK, generateKeyPair } from "jose";
import type { JsonValue } from "../shared/json.ts";
import { SIGNING_KEY } from "../runtime/functions/jwt-signer.ts";
import { sha256Hex } from "./digest.ts";
import type { EnvironmentCipher } from "./environment-cipher.ts";

/** The deployment's key for `ctx.auth.signJwt`: made with its first push, kept under the deployment's secret. */
export async function newSigningKey(cipher: Pick<EnvironmentCipher, "seal">): Promise<JsonValue> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = (await sha256Hex(`${jwk.x}.${jwk.y}`)).slice(0, 16);
  return cipher.seal(SIGNING_KEY, JSON.stringify([{ ...jwk, kid, alg: "ES256", use: "sig" }]));
}
