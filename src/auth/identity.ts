import type { Identity } from "../protocol/identity.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";

const STRING_ATTRIBUTES = [
  "tokenIdentifier",
  "issuer",
  "subject",
  "name",
  "givenName",
  "familyName",
  "nickname",
  "preferredUsername",
  "profileUrl",
  "pictureUrl",
  "websiteUrl",
  "email",
  "gender",
  "birthday",
  "timezone",
  "language",
  "phoneNumber",
  "address",
  "updatedAt",
];
const BOOLEAN_ATTRIBUTES = ["emailVerified", "phoneNumberVerified"];

/** `iss` exactly as in the token, a trailing slash included. */
export function tokenIdentifier(issuer: string, subject: string): string {
  return `${issuer}|${subject}`;
}

/**
 * Attributes of a user as an admin states them (acting as that user, or testing). Everything but the standard fields
 * is a custom claim and may be any JSON. Returns the reason when they cannot be an identity.
 */
export function parseIdentityAttributes(
  json: unknown,
): { readonly ok: true; readonly attributes: JsonObject } | { readonly ok: false; readonly reason: string } {
  if (!isJsonObject(json)) return { ok: false, reason: "an identity is a JSON object" };
  const present = Object.entries(json).filter(([name, value]) => value !== null || !isStandard(name));
  const attributes = new Map<string, JsonValue>(present);
  for (const name of STRING_ATTRIBUTES) {
    if (attributes.has(name) && typeof attributes.get(name) !== "string") {
      return { ok: false, reason: `\`${name}\` of an identity is a string` };
    }
  }
  for (const name of BOOLEAN_ATTRIBUTES) {
    if (attributes.has(name) && typeof attributes.get(name) !== "boolean") {
      return { ok: false, reason: `\`${name}\` of an identity is a boolean` };
    }
  }
  const issuer = attributes.get("issuer");
  const subject = attributes.get("subject");
  if (!attributes.has("tokenIdentifier")) {
    if (typeof issuer !== "string" || typeof subject !== "string") {
      return { ok: false, reason: "an identity needs `tokenIdentifier`, or both `issuer` and `subject`" };
    }
    attributes.set("tokenIdentifier", tokenIdentifier(issuer, subject));
  }
  return { ok: true, attributes: Object.fromEntries(attributes) };
}

/** What `ctx.auth.getUserIdentity()` gives: plain JSON, never ConvexJSON. */
export function userAttributes(identity: Identity): JsonObject | null {
  switch (identity.kind) {
    case "user":
      return identity.attributes;
    case "admin":
      return identity.actingAs;
    case "none":
    case "system":
      return null;
    default:
      return identity satisfies never;
  }
}

function isStandard(name: string): boolean {
  return STRING_ATTRIBUTES.includes(name) || BOOLEAN_ATTRIBUTES.includes(name);
}
