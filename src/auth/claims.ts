import type { JsonObject, JsonValue } from "../shared/json.ts";
import { isJsonObject } from "../shared/json.ts";
import { tokenIdentifier } from "./identity.ts";

/** Standard claims of OpenID Connect → fields of an identity (`wire.md` §5.4). */
const OIDC_FIELDS: Readonly<Record<string, string>> = {
  name: "name",
  given_name: "givenName",
  family_name: "familyName",
  nickname: "nickname",
  preferred_username: "preferredUsername",
  profile: "profileUrl",
  picture: "pictureUrl",
  website: "websiteUrl",
  email: "email",
  email_verified: "emailVerified",
  birthdate: "birthday",
  zoneinfo: "timezone",
  locale: "language",
  phone_number: "phoneNumber",
  phone_number_verified: "phoneNumberVerified",
  address: "address",
  updated_at: "updatedAt",
  gender: "gender",
};

/** Of the token and not of the user; some change with every refresh and would make every query run again. */
const OIDC_HIDDEN: ReadonlySet<string> = new Set(
  "iss sub aud exp iat auth_time nonce acr amr azp at_hash c_hash middle_name birthday jti nbf fva".split(" "),
);

const JWT_HIDDEN: ReadonlySet<string> = new Set(["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "fva"]);

export function oidcAttributes(issuer: string, subject: string, claims: JsonObject): JsonObject {
  const attributes: Record<string, JsonValue> = who(issuer, subject);
  for (const [claim, value] of Object.entries(claims)) {
    if (OIDC_HIDDEN.has(claim)) continue;
    const field = Object.hasOwn(OIDC_FIELDS, claim) ? OIDC_FIELDS[claim] : undefined;
    if (field === undefined) define(attributes, claim, value);
    else if (value !== null) define(attributes, field, standardValue(claim, value));
  }
  return attributes;
}

/** No mapping: claims keep their names, and nested objects are flattened into dotted ones. */
export function customJwtAttributes(issuer: string, subject: string, claims: JsonObject): JsonObject {
  const attributes: Record<string, JsonValue> = who(issuer, subject);
  const flatten = (prefix: string, object: JsonObject): void => {
    for (const [name, value] of Object.entries(object)) {
      if (prefix === "" && JWT_HIDDEN.has(name)) continue;
      if (isJsonObject(value)) flatten(`${prefix}${name}.`, value);
      else define(attributes, `${prefix}${name}`, value);
    }
  };
  flatten("", claims);
  return attributes;
}

function who(issuer: string, subject: string): Record<string, JsonValue> {
  return { tokenIdentifier: tokenIdentifier(issuer, subject), issuer, subject };
}

/** Who the user is comes from `iss` and `sub` alone: no private claim takes their place. */
function define(attributes: Record<string, JsonValue>, name: string, value: JsonValue | undefined): void {
  if (value === undefined || Object.hasOwn(attributes, name)) return;
  // Not an assignment: `__proto__` is a claim like any other.
  Object.defineProperty(attributes, name, { value, enumerable: true, configurable: true, writable: true });
}

function standardValue(claim: string, value: JsonValue): JsonValue | undefined {
  switch (claim) {
    case "address":
      return isJsonObject(value) ? value["formatted"] : value;
    case "updated_at":
      return typeof value === "number" ? rfc3339(value) : value;
    default:
      return value;
  }
}

function rfc3339(seconds: number): string | undefined {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString().replace(".000Z", "+00:00");
}
