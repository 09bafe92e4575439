import { z } from "zod";
import { badRequest } from "../shared/coded-error.ts";
import { deriveKey, fromBase64Url, hmac, toBase64Url } from "./digest.ts";

/**
 * What the server remembers of a push between its requests. Everything heavy is in R2 under the app version, which is
 * a hash of its content; this names it and says what the push was computed against. It travels signed, so that a
 * push nobody finishes (`convex codegen` sends one each time) leaves nothing behind that needs cleaning.
 */
export interface PushTicket {
  /** Distinguishes two pushes of the same code. */
  readonly id: string;
  /** Milliseconds. Of two pushes under way, the later one goes on. */
  readonly startedAt: number;
  readonly version: string;
  /** Pushes that had finished when this one began. */
  readonly generation: number;
  /** Digest of all environment variables then. */
  readonly environment: string;
}

const ticketSchema = z.object({
  id: z.string(),
  startedAt: z.number(),
  version: z.string(),
  generation: z.number(),
  environment: z.string(),
});

export class PushTokens {
  readonly #keys: Promise<readonly CryptoKey[]>;

  /** `secrets`: the deployment's, the present one first. */
  constructor(secrets: readonly string[]) {
    this.#keys = Promise.all(secrets.map((secret) => deriveKey(secret, "convection push token v1", "HMAC")));
  }

  async sign(ticket: PushTicket): Promise<string> {
    const [key] = await this.#keys;
    if (key === undefined) throw new Error("There is no deployment secret.");
    const payload = toBase64Url(new TextEncoder().encode(JSON.stringify(ticket)));
    return `${payload}.${toBase64Url(await hmac(key, payload))}`;
  }

  async verify(token: string): Promise<PushTicket> {
    const [payload = "", signature = "", ...rest] = token.split(".");
    const bytes = fromBase64Url(payload);
    const mac = fromBase64Url(signature);
    if (rest.length > 0 || bytes === null || mac === null) throw invalidToken();
    for (const key of await this.#keys) {
      if (await crypto.subtle.verify("HMAC", key, mac, new TextEncoder().encode(payload))) {
        return ticketSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
      }
    }
    throw invalidToken();
  }
}

function invalidToken() {
  return badRequest("InvalidPushToken", "The push token is not one of this deployment. Start the push again.");
}
