import { assert } from "../shared/assert.ts";
import { fromHex, toHex } from "../shared/bytes.ts";

export interface AdminKeyRights {
  readonly readOnly: boolean;
}

/** First byte of the secret part: which rights the code behind it vouches for. */
const FULL = 0x01;
const READ_ONLY = 0x02;
const LABELS: ReadonlyMap<number, string> = new Map([
  [FULL, "convection/admin-key/v1/full"],
  [READ_ONLY, "convection/admin-key/v1/read-only"],
]);

/** One byte of rights, then 32 bytes of HMAC-SHA-256. */
const SECRET_PART = /^[0-9a-fA-F]{66}$/;

/**
 * Admin keys are `<instance name>|<66 hex digits>`. Nothing is stored: the digits are an HMAC of a fixed label and
 * the instance name under the deployment's secret, so whoever holds the secret can print the key again, and a new
 * secret retires every old key.
 */
export class AdminKeys {
  readonly #instanceName: string;
  /** The current secret first, then the one being rotated out. */
  readonly #secrets: readonly CryptoKey[];

  private constructor(instanceName: string, secrets: readonly CryptoKey[]) {
    this.#instanceName = instanceName;
    this.#secrets = secrets;
  }

  /** `secrets[0]` signs; every one is accepted. */
  static async create(instanceName: string, secrets: readonly string[]): Promise<AdminKeys> {
    assert(/^[A-Za-z0-9_-]+$/.test(instanceName), "an instance name is letters, digits, dashes and underscores");
    assert(secrets.length > 0 && secrets.every((secret) => secret.length >= 32), "a secret of 32 characters or more");
    return new AdminKeys(instanceName, await Promise.all(secrets.map(importSecret)));
  }

  async issue(rights: AdminKeyRights = { readOnly: false }): Promise<string> {
    const kind = rights.readOnly ? READ_ONLY : FULL;
    const [secret] = this.#secrets;
    assert(secret, "the current secret is missing");
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", secret, this.#message(kind)));
    return `${this.#instanceName}|${toHex(Uint8Array.of(kind, ...mac)).toLowerCase()}`;
  }

  /** `key` is bare: without scheme, acting-as part or type prefix (`parseAdminKey`). Null when it is not ours. */
  async verify(key: string): Promise<AdminKeyRights | null> {
    const separator = key.indexOf("|");
    const secretPart = key.slice(separator + 1);
    if (key.slice(0, separator) !== this.#instanceName || !SECRET_PART.test(secretPart)) return null;
    const kind = Number.parseInt(secretPart.slice(0, 2), 16);
    if (!LABELS.has(kind)) return null;
    const mac = new Uint8Array(fromHex(secretPart.slice(2)));
    for (const secret of this.#secrets) {
      // `verify` compares in constant time, which `===` on the text would not.
      if (await crypto.subtle.verify("HMAC", secret, mac, this.#message(kind))) return { readOnly: kind === READ_ONLY };
    }
    return null;
  }

  #message(kind: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(new TextEncoder().encode(`${LABELS.get(kind)}\n${this.#instanceName}`));
  }
}

function importSecret(secret: string): Promise<CryptoKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, ["sign", "verify"]);
}
