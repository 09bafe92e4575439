import { z } from "zod";
import type { JsonValue } from "../shared/json.ts";
import type { Random } from "../shared/random.ts";
import { deriveKey, fromBase64Url, hmac, toBase64Url } from "./digest.ts";

const sealed = z.object({ v: z.literal(1), key: z.string(), iv: z.string(), data: z.string() });

interface Key {
  readonly id: string;
  readonly aes: CryptoKey;
}

/**
 * Environment variables at rest: AES-256-GCM with a key derived from the deployment secret. The stored value names
 * its key, so a new secret can be put in front while values under the old one are still readable; a variable is
 * sealed anew when it is set. The name is authenticated too: two stored values can't be exchanged.
 */
export class EnvironmentCipher {
  readonly #keys: Promise<readonly Key[]>;
  readonly #digestKey: Promise<CryptoKey>;
  readonly #random: Random;

  /** `secrets`: the deployment's, the present one first. */
  constructor(secrets: readonly [string, ...string[]], random: Random) {
    this.#keys = Promise.all(secrets.map(environmentKey));
    this.#digestKey = deriveKey(secrets[0], "convection environment digest v1", "HMAC");
    this.#random = random;
  }

  async seal(name: string, value: string): Promise<JsonValue> {
    const [key] = await this.#keys;
    if (key === undefined) throw new Error("There is no deployment secret.");
    const iv = new Uint8Array(this.#random.bytes(12));
    const data = await crypto.subtle.encrypt(parameters(iv, name), key.aes, new TextEncoder().encode(value));
    return { v: 1, key: key.id, iv: toBase64Url(iv), data: toBase64Url(new Uint8Array(data)) };
  }

  async open(name: string, stored: JsonValue): Promise<string> {
    const { key: id, iv, data } = sealed.parse(stored);
    const key = (await this.#keys).find((candidate) => candidate.id === id);
    if (key === undefined) {
      throw new Error(
        `Environment variable ${name} was stored under a deployment secret that is no longer configured.`,
      );
    }
    const ivBytes = fromBase64Url(iv);
    const bytes = fromBase64Url(data);
    if (ivBytes === null || bytes === null) throw new Error(`Environment variable ${name} is stored in a bad form.`);
    return new TextDecoder().decode(await crypto.subtle.decrypt(parameters(ivBytes, name), key.aes, bytes));
  }

  /** Whether the present secret sealed it: else the value should be sealed anew when there is occasion. */
  async isCurrent(stored: JsonValue): Promise<boolean> {
    return sealed.parse(stored).key === (await this.#keys)[0]?.id;
  }

  /** Tells two values apart and says nothing else about them, short ones included. */
  async digest(name: string, value: string): Promise<string> {
    return toBase64Url((await hmac(await this.#digestKey, `${name}=${value}`)).subarray(0, 16));
  }
}

function parameters(iv: Uint8Array<ArrayBuffer>, name: string) {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(name) };
}

async function environmentKey(secret: string): Promise<Key> {
  return {
    id: toBase64Url(
      (await hmac(await deriveKey(secret, "convection environment key id v1", "HMAC"), "")).subarray(0, 9),
    ),
    aes: await deriveKey(secret, "convection environment v1", "AES-GCM"),
  };
}
