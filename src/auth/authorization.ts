import { NO_IDENTITY, type Identity } from "../protocol/identity.ts";
import type { Clock } from "../shared/clock.ts";
import { badRequest, CodedError } from "../shared/coded-error.ts";
import type { JsonObject } from "../shared/json.ts";
import type { AdminKeys } from "./admin-key.ts";
import { parseIdentityAttributes } from "./identity.ts";
import type { TokenVerifier } from "./token-verifier.ts";

/** What a request claims, parsed and not yet believed. */
export type Credentials =
  | { readonly kind: "none" }
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "adminKey"; readonly key: string; readonly actingAs: JsonObject | null };

const NO_CREDENTIALS: Credentials = { kind: "none" };

/** Both `convex ` and `bearer ` have seven characters; a shorter header can hold neither. */
const SCHEME_LENGTH = 7;

/** `queryKey` is `?adminKey=`, looked at only when there is no header (`wire.md` §2.2.1). */
export function parseAuthorization(header: string | null, queryKey: string | null): Credentials {
  if (header === null) return queryKey === null ? NO_CREDENTIALS : parseAdminKey(queryKey);
  if (!/^[\x20-\x7e\t]*$/.test(header)) throw malformed("HeaderParseFailure");
  if (header.length < SCHEME_LENGTH) throw malformed("InvalidHeaderFailure");
  const credentials = header.slice(SCHEME_LENGTH).trim();
  switch (header.slice(0, SCHEME_LENGTH).toLowerCase()) {
    case "bearer ":
      return { kind: "token", token: credentials };
    case "convex ":
      return parseAdminKey(credentials);
    default:
      throw badRequest("InvalidAdminKey", "Invalid admin key");
  }
}

/** `[<type>:]<instance name>|<secret>[:<base64 of a JSON identity>]` → the bare key and who it acts as. */
export function parseAdminKey(text: string): Credentials {
  const bar = text.indexOf("|");
  const typeEnd = text.lastIndexOf(":", bar === -1 ? 0 : bar);
  const key = text.slice(typeEnd + 1);
  const colon = key.indexOf(":");
  if (colon === -1) return { kind: "adminKey", key, actingAs: null };
  return { kind: "adminKey", key: key.slice(0, colon), actingAs: parseActingAs(key.slice(colon + 1)) };
}

export interface Authorities {
  readonly adminKeys: AdminKeys;
  readonly tokens: TokenVerifier;
}

/** A wrong key or token is refused: it never falls back to running anonymously. */
export async function authenticate(credentials: Credentials, authorities: Authorities): Promise<Identity> {
  switch (credentials.kind) {
    case "none":
      return NO_IDENTITY;
    case "token":
      return authorities.tokens.verify(credentials.token);
    case "adminKey": {
      const rights = await authorities.adminKeys.verify(credentials.key);
      if (rights === null) throw new CodedError("Unauthenticated", "BadAdminKey", INVALID_KEY);
      return { kind: "admin", readOnly: rights.readOnly, actingAs: credentials.actingAs };
    }
    default:
      return credentials satisfies never;
  }
}

/** Of a single request: who is allowed in now, not a few seconds ago (`wire.md` §5.3). */
export async function authenticateRequest(
  credentials: Credentials,
  authorities: Authorities & { readonly clock: Clock },
): Promise<Identity> {
  const identity = await authenticate(credentials, authorities);
  requireUnexpired(identity, authorities.clock.now());
  return identity;
}

/**
 * Before every execution on behalf of a user. Strict, while `TokenVerifier` may have let a token pass that had
 * expired a moment before. `now`: milliseconds since the epoch.
 */
export function requireUnexpired(identity: Identity, now: number): void {
  const error = expiry(identity, now);
  if (error !== null) throw error;
}

/** The same for whoever tells it in words of its own, as sockets do. Null: the identity is good. */
export function expiry(identity: Identity, now: number): CodedError | null {
  if (identity.kind !== "user" || now < identity.expiresAt) return null;
  return new CodedError("Unauthenticated", "TokenExpired", "Convex token identity expired");
}

export type AdminIdentity = Extract<Identity, { kind: "admin" }>;

export function requireAdmin(identity: Identity): AdminIdentity {
  if (identity.kind !== "admin") throw new CodedError("Forbidden", "BadDeployKey", INVALID_KEY);
  return identity;
}

/** A read-only key runs queries and reads logs and settings; nothing else. */
export function requireWriteAccess(identity: Identity): void {
  if (identity.kind === "admin" && identity.readOnly) {
    throw new CodedError(
      "Forbidden",
      "OperationNotPermitted",
      "You do not have permission to perform this operation: this admin key is read-only.",
    );
  }
}

const INVALID_KEY = "The provided admin key was invalid for this instance";

function parseActingAs(encoded: string): JsonObject {
  let json: unknown;
  try {
    const bytes = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes));
  } catch (cause) {
    throw malformed("HeaderParseFailure", "the identity is not base64 of JSON", cause);
  }
  const parsed = parseIdentityAttributes(json);
  if (!parsed.ok) throw malformed("HeaderParseFailure", parsed.reason);
  return parsed.attributes;
}

function malformed(code: string, reason?: string, cause?: unknown): CodedError {
  const message = "Malformed Authorization header.";
  return new CodedError("BadRequest", code, reason === undefined ? message : `${message} ${reason}`, { cause });
}
