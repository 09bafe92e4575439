import { importJWK, type JWK, SignJWT } from "jose";
import { z } from "zod";
import { badRequest } from "../../shared/coded-error.ts";
import type { JsonObject, JsonValue } from "../../shared/json.ts";

/** Catalog value: the deployment's private keys as a sealed JSON array of JWKs, the one that signs first. */
export const SIGNING_KEY = "jwtKeys";

const privateKeys = z.array(z.looseObject({ kid: z.string(), x: z.string(), y: z.string(), d: z.string() }));

const MAX_LIFETIME_SECONDS = 3600;

/** Set by the host; the rest may come to mean something to us one day. */
const RESERVED = /^(iss|iat|exp|nbf)$|^(convex|cvx)/i;

export interface SignedClaims {
  readonly issuer: string;
  readonly claims: JsonObject;
  readonly expiresInSeconds: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Opens what is sealed under the deployment's secret. */
export type Unseal = (name: string, value: JsonValue) => Promise<string>;

/** `ctx.auth.signJwt` (`abi.md` §2.3.3) and the key set that verifies what it signed. */
export class JwtSigner {
  readonly #unseal: Unseal;
  /** Opened keys by their sealed form. */
  readonly #opened = new WeakMap<object, readonly JWK[]>();

  constructor(unseal: Unseal) {
    this.#unseal = unseal;
  }

  async sign(values: ReadonlyMap<string, JsonValue>, { issuer, claims, expiresInSeconds, now }: SignedClaims) {
    checkClaims(claims);
    if (!(expiresInSeconds >= 1 && expiresInSeconds <= MAX_LIFETIME_SECONDS)) {
      throw badRequest("InvalidJwt", `\`expiresInSeconds\` must be between 1 and ${MAX_LIFETIME_SECONDS}`);
    }
    const [key] = await this.#keys(values);
    if (key === undefined) {
      throw badRequest("NoSigningKey", "This deployment has no signing key yet: it gets one with its next push.");
    }
    const issuedAt = Math.floor(now / 1000);
    return new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", typ: "JWT", kid: String(key.kid) })
      .setIssuer(issuer)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + Math.floor(expiresInSeconds))
      .sign(await importJWK(key, "ES256"));
  }

  /** A JWK Set: everybody may read it. */
  async publicKeys(values: ReadonlyMap<string, JsonValue>): Promise<{ readonly keys: readonly JWK[] }> {
    const keys = await this.#keys(values);
    return { keys: keys.map(({ d: _private, ...open }) => open) };
  }

  async #keys(values: ReadonlyMap<string, JsonValue>): Promise<readonly JWK[]> {
    const sealed = values.get(SIGNING_KEY);
    if (typeof sealed !== "object" || sealed === null) return [];
    const known = this.#opened.get(sealed);
    if (known !== undefined) return known;
    const opened: readonly JWK[] = privateKeys.parse(JSON.parse(await this.#unseal(SIGNING_KEY, sealed)));
    this.#opened.set(sealed, opened);
    return opened;
  }
}

function checkClaims(claims: JsonObject): void {
  const reserved = Object.keys(claims).find((name) => RESERVED.test(name));
  if (reserved !== undefined) throw badRequest("InvalidJwt", `The claim \`${reserved}\` is reserved`);
}
