import { compactVerify, createLocalJWKSet, errors, type CompactVerifyResult, type JSONWebKeySet } from "jose";
import { z } from "zod";
import type { Identity } from "../protocol/identity.ts";
import type { Clock } from "../shared/clock.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { JsonObject } from "../shared/json.ts";
import { customJwtAttributes, oidcAttributes } from "./claims.ts";
import { discoveryFailure, type Fetched, type FetchedJson, FetchFailure } from "./fetched-json.ts";
import { type AuthProvider, audiencesOf, type CustomJwtProvider, type OidcProvider, providerOf } from "./providers.ts";
import { invalidToken, parseUnverified, type TokenVerifier } from "./token-verifier.ts";

/** Longer tokens are nobody's: what carries them over HTTP is a header. */
const MAX_TOKEN_LENGTH = 128 * 1024;

/** Clocks of issuers run ahead of ours by so much at most. Seconds. */
const CUSTOM_JWT_TOLERANCE = 5;
const OIDC_NOT_BEFORE_TOLERANCE = 60;

const SHOWN_CHARACTERS = 200;

/** EdDSA has two names in the field; both mean Ed25519 here. */
const OIDC_ALGORITHMS = ["RS256", "EdDSA", "Ed25519"];

const keySet = z.custom<JSONWebKeySet>(
  (value) => typeof value === "object" && value !== null && "keys" in value && Array.isArray(value.keys),
  "expected a JWK Set",
);
const discovery = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });

export interface JwtVerifierParts {
  /** Of the app that is deployed now. */
  readonly providers: () => Promise<readonly AuthProvider[]>;
  readonly documents: FetchedJson;
  readonly clock: Clock;
  /** Whether error texts list what is configured. */
  readonly verbose: boolean;
}

/** Verifies JWTs of the providers in `auth.config` (`wire.md` §5). The message of a refusal never holds the token. */
export class JwtVerifier implements TokenVerifier {
  readonly #parts: JwtVerifierParts;

  constructor(parts: JwtVerifierParts) {
    this.#parts = parts;
  }

  async verify(token: string): Promise<Identity> {
    if (token.length > MAX_TOKEN_LENGTH) throw invalidToken("Could not parse the token: it is too long.");
    const unverified = parseUnverified(token);
    const provider = providerOf(unverified, await this.#parts.providers(), this.#parts.verbose);
    return provider.type === "oidc"
      ? this.#verifyOidc(token, unverified, provider)
      : this.#verifyCustomJwt(token, unverified.header, provider);
  }

  async #verifyOidc(
    token: string,
    { header, issuer }: { readonly header: JsonObject; readonly issuer: string },
    provider: OidcProvider,
  ): Promise<Identity> {
    if (header["cty"] !== undefined || !isJwtType(header["typ"])) throw invalidToken("The token is not a JWT.");
    const jwksUrl = await this.#discover(issuer);
    const read = (url: string): Promise<Fetched> => this.#parts.documents.get(url);
    const keys = await read(jwksUrl).catch(asDiscoveryFailure);
    const claims = await this.#signed(token, jwksUrl, keys, OIDC_ALGORITHMS, unauthenticated);
    const audiences = audiencesOf(claims);
    const { iss, sub } = claims;
    const expires = time(claims["exp"]);
    const now = this.#seconds();
    const good =
      iss === issuer &&
      typeof sub === "string" &&
      time(claims["iat"]) !== null &&
      audiences.length === 1 &&
      audiences[0] === provider.applicationID &&
      expires !== null &&
      now < expires &&
      (time(claims["nbf"]) ?? 0) <= now + OIDC_NOT_BEFORE_TOLERANCE;
    if (!good) throw unauthenticated();
    return user(token, expires, oidcAttributes(issuer, sub, claims));
  }

  async #discover(issuer: string): Promise<string> {
    const base = /^https?:\/\//i.test(issuer) ? issuer : `https://${issuer}`;
    const url = `${base.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const { json } = await this.#parts.documents.get(url).catch(asDiscoveryFailure);
    const document = discovery.safeParse(json);
    if (!document.success) {
      throw discoveryFailure(new FetchFailure(`${url} is not a discovery document`, 200));
    }
    if (document.data.issuer !== issuer) {
      throw discoveryFailure(new FetchFailure(`unexpected issuer URI \`${document.data.issuer}\``, 200));
    }
    return document.data.jwks_uri;
  }

  async #verifyCustomJwt(token: string, header: JsonObject, provider: CustomJwtProvider): Promise<Identity> {
    const { kid } = header;
    if (typeof kid !== "string") {
      throw invalidToken("Could not decode token. JWT may be missing a 'kid' (key ID) header.");
    }
    if (header["alg"] !== provider.algorithm) {
      throw invalidToken(
        `Invalid algorithm: the JWT is signed by ${JSON.stringify(header["alg"])}, not ${provider.algorithm}.`,
      );
    }
    const keys = await this.#keySet(provider.jwks);
    if (!keySet.safeParse(keys.json).success) throw noKeySet(provider.jwks);
    const claims = await this.#signed(token, provider.jwks, keys, [provider.algorithm], (cause) =>
      undecodable(kid, this.#parts.verbose, cause),
    );
    const { iss, sub } = claims;
    const expires = time(claims["exp"]);
    if (typeof iss !== "string" || typeof sub !== "string" || expires === null) throw invalidClaims();
    const audiences = audiencesOf(claims);
    if (provider.applicationID !== null && audiences.length === 0) {
      throw invalidToken(
        "Missing audience claim ('aud') in JWT payload. The JWT must include an 'aud' claim that matches your configured application ID.",
      );
    }
    if (provider.applicationID !== null && !audiences.includes(provider.applicationID)) {
      throw invalidToken(`Invalid audience: ${provider.applicationID} not in ${JSON.stringify(audiences)}`);
    }
    const now = this.#seconds();
    if (now - expires > CUSTOM_JWT_TOLERANCE) throw untimely(`Token expired ${Math.floor(now - expires)} seconds ago`);
    const valid = Math.max(time(claims["nbf"]) ?? 0, time(claims["iat"]) ?? 0);
    if (valid > now + CUSTOM_JWT_TOLERANCE) {
      throw untimely(`Token will be valid in ${Math.floor(valid - now)} seconds`);
    }
    return user(token, expires, customJwtAttributes(iss, sub, claims));
  }

  async #keySet(url: string): Promise<Fetched> {
    if (url.startsWith("data:")) return dataUrl(url);
    const fetched = await this.#parts.documents.get(url).catch((error: unknown) => {
      if (error instanceof FetchFailure) {
        throw invalidToken(
          `Could not fetch JWKS from URL '${url}': ${error.message}. Check that the URL is correct and accessible.`,
          error,
        );
      }
      throw error;
    });
    const [type = "", parameters = ""] = fetched.contentType.toLowerCase().split(";");
    const charset = /charset="?([^;"\s]+)/.exec(parameters)?.[1];
    const isJson = ["application/json", "application/jwk-set+json"].includes(type.trim());
    if (!isJson || (charset !== undefined && charset !== "utf-8")) {
      throw invalidToken(
        `Invalid Content-Type '${fetched.contentType || "unknown"}' when fetching JWKS from '${url}'. ` +
          "Expected 'application/json' or 'application/jwk-set+json'.",
      );
    }
    return fetched;
  }

  /** The payload, when one of the keys signed it. A key that the cached set does not have is looked for once more. */
  async #signed(
    token: string,
    url: string,
    cached: Fetched,
    algorithms: string[],
    refusal: (cause: unknown) => CodedError,
  ): Promise<JsonObject> {
    try {
      return payload(await verifyBy(token, cached, algorithms));
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || url.startsWith("data:")) throw refusal(error);
    }
    try {
      const fresh = await this.#parts.documents.fresh(url);
      if (fresh !== null) return payload(await verifyBy(token, fresh, algorithms));
    } catch (error) {
      throw refusal(error);
    }
    throw refusal(undefined);
  }

  /** Whole ones: what expires within this second has not yet. */
  #seconds(): number {
    return Math.floor(this.#parts.clock.now() / 1000);
  }
}

async function verifyBy(token: string, { json }: Fetched, algorithms: string[]): Promise<CompactVerifyResult> {
  return compactVerify(token, createLocalJWKSet(keySet.parse(json)), { algorithms });
}

function payload({ payload: bytes }: CompactVerifyResult): JsonObject {
  // `parseUnverified` has read the same bytes as a JSON object.
  return JSON.parse(new TextDecoder().decode(bytes)) as JsonObject;
}

/** NumericDate, fractions included, or RFC 3339 text. Seconds. */
function time(claim: unknown): number | null {
  if (typeof claim === "number" && Number.isFinite(claim)) return claim;
  const parsed = typeof claim === "string" ? Date.parse(claim) : Number.NaN;
  return Number.isNaN(parsed) ? null : parsed / 1000;
}

function isJwtType(type: unknown): boolean {
  return type === undefined || (typeof type === "string" && /^(application\/)?([\w.-]+\+)?jwt$/i.test(type));
}

function dataUrl(url: string): Fetched {
  const [, encoding, text] = /^data:[^,]*?(;base64)?,(.*)$/s.exec(url) ?? [];
  if (text === undefined) throw noKeySet(url);
  try {
    const json: unknown = JSON.parse(encoding === undefined ? decodeURIComponent(text) : atob(text));
    return { json, contentType: "application/json" };
  } catch (cause) {
    throw noKeySet(url, cause);
  }
}

function user(token: string, expires: number, attributes: JsonObject): Identity {
  return { kind: "user", attributes, token, expiresAt: expires * 1000 };
}

function asDiscoveryFailure(error: unknown): never {
  throw error instanceof FetchFailure ? discoveryFailure(error) : error;
}

function noKeySet(url: string, cause?: unknown): CodedError {
  return invalidToken(
    `Invalid JWKS response body from '${cut(url)}'. The response is not valid JSON or doesn't match the expected JWKS format.`,
    cause,
  );
}

/** The key that signed a token is told to developers only. */
function undecodable(kid: string, verbose: boolean, cause: unknown): CodedError {
  const header = "Could not decode token. The JWT's 'kid' (key ID) header";
  return invalidToken(
    verbose
      ? `${header} is '${cut(kid)}', does this key match any key in the provider's JWKS?`
      : `${header} doesn't match any key in the provider's JWKS, or the JWT signature is invalid.`,
    cause,
  );
}

/** Of `data:` URLs and of what strangers send, the beginning says enough. */
function cut(text: string): string {
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}…`;
}

function untimely(what: string): CodedError {
  return invalidToken(
    `Could not validate token: ${what}. There may be timing issues: compare the JWT's 'iat', 'nbf' and 'exp' claims with the current time.`,
  );
}

function invalidClaims(cause?: unknown): CodedError {
  return invalidToken(
    "Could not verify token claim. Check that the JWT contains valid claims and matches your auth provider configuration.",
    cause,
  );
}

function unauthenticated(cause?: unknown): CodedError {
  const message =
    "Could not verify OIDC token claim. Check that the token signature is valid and the token hasn't expired.";
  return new CodedError("Unauthenticated", "Unauthenticated", message, { cause });
}
