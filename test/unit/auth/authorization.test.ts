import { describe, expect, test } from "vitest";
import {
  authenticate,
  parseAdminKey,
  parseAuthorization,
  requireAdmin,
  requireWriteAccess,
} from "../../../src/auth/authorization.ts";
import { parseIdentityAttributes, userAttributes } from "../../../src/auth/identity.ts";
import { noProviders, parseUnverified } from "../../../src/auth/token-verifier.ts";
import { NO_IDENTITY, type Identity } from "../../../src/protocol/identity.ts";
import { ADMIN_KEY, keys, READ_ONLY_KEY } from "../http/backend.ts";

const authorities = { adminKeys: keys, tokens: noProviders };

function actingAs(identity: unknown): string {
  return Buffer.from(JSON.stringify(identity)).toString("base64");
}

function jwt(claims: unknown): string {
  const part = (json: unknown) => Buffer.from(JSON.stringify(json)).toString("base64url");
  return `${part({ alg: "RS256", typ: "JWT" })}.${part(claims)}.c2lnbmF0dXJl`;
}

describe("the Authorization header", () => {
  const bad: [header: string, code: string, message: string | RegExp][] = [
    ["", "InvalidHeaderFailure", "Malformed Authorization header."],
    ["Bearer", "InvalidHeaderFailure", "Malformed Authorization header."],
    ["Basic eA==", "InvalidAdminKey", "Invalid admin key"],
    ["Convex|key", "InvalidAdminKey", "Invalid admin key"],
    ["Bearer é", "HeaderParseFailure", "Malformed Authorization header."],
    ["Convex a|b:%%%", "HeaderParseFailure", /^Malformed Authorization header\. /],
    [`Convex a|b:${btoa("not json")}`, "HeaderParseFailure", /^Malformed Authorization header\. /],
    [`Convex a|b:${actingAs([])}`, "HeaderParseFailure", /^Malformed Authorization header\. /],
    [`Convex a|b:${actingAs({ subject: "s" })}`, "HeaderParseFailure", /issuer/],
    [
      `Convex a|b:${actingAs({ issuer: "i", subject: "s", emailVerified: "yes" })}`,
      "HeaderParseFailure",
      /emailVerified/,
    ],
    [`Convex a|b:${actingAs({ issuer: "i", subject: "s", email: 1 })}`, "HeaderParseFailure", /email/],
    [`Convex a|b:${btoa("\xff\xfe")}`, "HeaderParseFailure", /^Malformed Authorization header\. /],
  ];
  test.each(bad)("AUTH1 %j is refused with %s before anything runs", (header, code, message) => {
    expect(() => parseAuthorization(header, null)).toThrow(
      expect.objectContaining({ errorClass: "BadRequest", code, message: expect.stringMatching(message) }),
    );
  });

  const good: [header: string | null, query: string | null, credentials: unknown][] = [
    [null, null, { kind: "none" }],
    [null, "a|b", { kind: "adminKey", key: "a|b", actingAs: null }],
    ["Bearer x.y.z", "a|b", { kind: "token", token: "x.y.z" }],
    ["bEaReR x.y.z", null, { kind: "token", token: "x.y.z" }],
    ["CONVEX a|b", null, { kind: "adminKey", key: "a|b", actingAs: null }],
    ["Convex prod:a|b", null, { kind: "adminKey", key: "a|b", actingAs: null }],
    ["Convex dev:a|b", null, { kind: "adminKey", key: "a|b", actingAs: null }],
    ["Convex bad", null, { kind: "adminKey", key: "bad", actingAs: null }],
  ];
  test.each(good)("AUTH2 %j with ?adminKey=%j is read", (header, query, credentials) => {
    expect(parseAuthorization(header, query)).toEqual(credentials);
  });

  test("AUTH3 the identity an admin acts as comes behind the first colon after the type prefix", () => {
    const identity = { issuer: "i", subject: "é", "custom.claim": { a: [1] }, name: null };
    expect(parseAdminKey(`prod:a|b:${actingAs(identity)}`)).toEqual({
      kind: "adminKey",
      key: "a|b",
      actingAs: { issuer: "i", subject: "é", "custom.claim": { a: [1] }, tokenIdentifier: "i|é" },
    });
  });

  test("AUTH3 a token identifier that the CLI states is kept", () => {
    const identity = { issuer: "https://convex.test", subject: "1", tokenIdentifier: "custom" };
    expect(parseIdentityAttributes(identity)).toEqual({ ok: true, attributes: identity });
  });

  test("AUTH3 H27 an identity is a token identifier, or both issuer and subject", () => {
    expect(parseIdentityAttributes({ tokenIdentifier: "a|b" })).toEqual({
      ok: true,
      attributes: { tokenIdentifier: "a|b" },
    });
    for (const identity of [{}, { issuer: "i" }, { subject: "s" }, { tokenIdentifier: null, issuer: "i" }]) {
      expect(parseIdentityAttributes(identity), JSON.stringify(identity)).toMatchObject({ ok: false });
    }
  });
});

describe("authentication", () => {
  test("AUTH4 a good key makes an admin with its rights, who may act as a user", async () => {
    const attributes = { issuer: "i", subject: "s", tokenIdentifier: "i|s" };
    const admin = await authenticate({ kind: "adminKey", key: ADMIN_KEY, actingAs: attributes }, authorities);
    expect(admin).toEqual({ kind: "admin", readOnly: false, actingAs: attributes });
    expect(userAttributes(admin)).toEqual(attributes);
    const readOnly = await authenticate({ kind: "adminKey", key: READ_ONLY_KEY, actingAs: null }, authorities);
    expect(readOnly).toEqual({ kind: "admin", readOnly: true, actingAs: null });
    expect(userAttributes(readOnly)).toBeNull();
  });

  test("E-G-1 a wrong key is 401 BadAdminKey", async () => {
    await expect(authenticate({ kind: "adminKey", key: "bad", actingAs: null }, authorities)).rejects.toMatchObject({
      errorClass: "Unauthenticated",
      code: "BadAdminKey",
      message: "The provided admin key was invalid for this instance",
    });
  });

  test("E-G-3 a JWT of nobody we know is 401 NoAuthProvider", async () => {
    const token = jwt({ iss: "https://a.example", sub: "1" });
    await expect(authenticate({ kind: "token", token }, authorities)).rejects.toMatchObject({
      errorClass: "Unauthenticated",
      code: "NoAuthProvider",
      message: expect.stringContaining("No auth provider found matching the given token"),
    });
  });

  test.each(["garbage", "a.b", "a.b.c", "", jwt({ sub: "no issuer" }), jwt([]), `${jwt({ iss: "i" })}.d`])(
    "E-G-4 %j is no JWT: 401 InvalidAuthHeader",
    async (token) => {
      await expect(async () => authenticate({ kind: "token", token }, authorities)).rejects.toMatchObject({
        errorClass: "Unauthenticated",
        code: "InvalidAuthHeader",
      });
    },
  );

  test("AUTH5 claims are decoded as UTF-8 of base64url", () => {
    expect(parseUnverified(jwt({ iss: "https://é.example/?>" })).claims).toEqual({ iss: "https://é.example/?>" });
  });

  const user: Identity = { kind: "user", attributes: {}, token: "", expiresAt: 0 };
  test.each([NO_IDENTITY, user])("E-G-1 %j where an admin is needed is 403 BadDeployKey", (identity) => {
    expect(() => requireAdmin(identity)).toThrow(
      expect.objectContaining({ errorClass: "Forbidden", code: "BadDeployKey" }),
    );
  });

  test("KEY5 a read-only key may not write", () => {
    expect(() => requireWriteAccess({ kind: "admin", readOnly: true, actingAs: null })).toThrow(
      expect.objectContaining({
        errorClass: "Forbidden",
        code: "OperationNotPermitted",
        message: expect.stringContaining("You do not have permission to perform this operation"),
      }),
    );
    requireWriteAccess({ kind: "admin", readOnly: false, actingAs: null });
    requireWriteAccess(NO_IDENTITY);
  });
});
