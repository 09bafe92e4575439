import type { Identity } from "../protocol/identity.ts";
import { CodedError } from "../shared/coded-error.ts";
import { isJsonObject, type JsonObject } from "../shared/json.ts";

/** Turns a user's JWT into an identity, or throws the 401 that says why not (`wire.md` §5). */
export interface TokenVerifier {
  verify(token: string): Promise<Identity>;
}

/** An app without auth providers: there is nobody whose word could be taken. */
export const noProviders: TokenVerifier = {
  async verify(token) {
    parseUnverified(token);
    throw new CodedError(
      "Unauthenticated",
      "NoAuthProvider",
      "No auth provider found matching the given token (no providers configured). Check convex/auth.config.ts.",
    );
  },
};

/** The claims of a JWT whose signature nobody has looked at: good for choosing a provider, for nothing else. */
export function parseUnverified(token: string): {
  readonly header: JsonObject;
  readonly claims: JsonObject;
  readonly issuer: string;
} {
  const parts = token.split(".");
  const header = jsonPart(parts[0]);
  const claims = jsonPart(parts[1]);
  const issuer = claims?.["iss"];
  if (parts.length !== 3 || header === null || claims === null) {
    throw invalidToken(
      "Could not parse JWT payload. Check that the token is a valid JWT format with three base64-encoded parts separated by dots.",
    );
  }
  if (typeof issuer !== "string") {
    throw invalidToken(
      "Missing issuer claim ('iss') in JWT payload. The JWT must include an 'iss' claim that matches one of your configured auth providers.",
    );
  }
  return { header, claims, issuer };
}

/** E-G-4. */
export function invalidToken(message: string, cause?: unknown): CodedError {
  return new CodedError("Unauthenticated", "InvalidAuthHeader", message, { cause });
}

function jsonPart(part: string | undefined): JsonObject | null {
  if (part === undefined || !/^[A-Za-z0-9_-]+$/.test(part)) return null;
  try {
    const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes));
    return isJsonObject(json) ? json : null;
  } catch {
    // Not base64, not UTF-8 or not JSON: all three mean that this is no JWT.
    return null;
  }
}
