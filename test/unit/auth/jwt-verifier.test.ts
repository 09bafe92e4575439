import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { FetchedJson } from "../../../src/auth/fetched-json.ts";
import { JwtVerifier } from "../../../src/auth/jwt-verifier.ts";
import type { AuthProvider } from "../../../src/auth/providers.ts";
import { CodedError } from "../../../src/shared/coded-error.ts";

const NOW = 1_800_000_000;
const ISSUER = "https://issuer.test";
const CUSTOM = "https://custom.test/";
const JWKS = "https://custom.test/keys";

type Key = Awaited<ReturnType<typeof generateKeyPair>>;
let rsa: Key;
let otherRsa: Key;
let ec: Key;
let ed: Key;

beforeAll(async () => {
  [rsa, otherRsa, ec, ed] = await Promise.all([
    generateKeyPair("RS256", { extractable: true }),
    generateKeyPair("RS256", { extractable: true }),
    generateKeyPair("ES256", { extractable: true }),
    generateKeyPair("EdDSA", { extractable: true }),
  ]);
});

const PROVIDERS: readonly AuthProvider[] = [
  { type: "oidc", domain: ISSUER, applicationID: "app" },
  { type: "customJwt", issuer: CUSTOM, jwks: JWKS, algorithm: "ES256", applicationID: "custom-app" },
  { type: "customJwt", issuer: "https://open.test", jwks: JWKS, algorithm: "ES256", applicationID: null },
];

/** A provider's documents, and how often each was asked for. */
class Documents {
  readonly asked: string[] = [];
  now = NOW * 1000;
  oidcKeys: object[] = [];
  customKeys: object[] = [];
  answer: (url: string) => Response | Promise<Response> | null = () => null;

  static async create(): Promise<Documents> {
    const documents = new Documents();
    documents.oidcKeys = [
      { ...(await exportJWK(rsa.publicKey)), kid: "rsa", alg: "RS256" },
      { ...(await exportJWK(ed.publicKey)), kid: "ed" },
      { ...(await exportJWK(ec.publicKey)), kid: "ec", alg: "ES256" },
    ];
    documents.customKeys = [{ ...(await exportJWK(ec.publicKey)), kid: "ec", alg: "ES256" }];
    return documents;
  }

  verifier(verbose = true): JwtVerifier {
    const clock = { now: () => this.now };
    const fetch = async (url: string): Promise<Response> => {
      this.asked.push(url);
      const own = await this.answer(url);
      if (own !== null) return own;
      if (url === `${ISSUER}/.well-known/openid-configuration`) {
        return Response.json({ issuer: ISSUER, jwks_uri: `${ISSUER}/keys` });
      }
      if (url === `${ISSUER}/keys`) return Response.json({ keys: this.oidcKeys });
      if (url === JWKS) return Response.json({ keys: this.customKeys });
      return new Response("", { status: 404 });
    };
    return new JwtVerifier({
      providers: () => Promise.resolve(PROVIDERS),
      documents: new FetchedJson(fetch, clock),
      clock,
      verbose,
    });
  }
}

interface Token {
  readonly claims?: JWTPayload;
  readonly header?: Record<string, unknown>;
  readonly key?: CryptoKey | Uint8Array;
}

function oidc({ claims = {}, header = {}, key = rsa.privateKey }: Token = {}): Promise<string> {
  const payload = { iss: ISSUER, sub: "u1", aud: "app", iat: NOW - 10, exp: NOW + 60, ...claims };
  return new SignJWT(payload).setProtectedHeader({ alg: "RS256", kid: "rsa", ...header }).sign(key);
}

function custom({ claims = {}, header = {}, key = ec.privateKey }: Token = {}): Promise<string> {
  const payload = { iss: CUSTOM, sub: "u1", aud: "custom-app", iat: NOW - 10, exp: NOW + 60, ...claims };
  return new SignJWT(payload).setProtectedHeader({ alg: "ES256", kid: "ec", ...header }).sign(key);
}

async function refusal(token: string | Promise<string>, documents?: Documents, verbose = true): Promise<unknown> {
  try {
    await (documents ?? (await Documents.create())).verifier(verbose).verify(await token);
    return "accepted";
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    if ((await token) !== "") expect(error.message).not.toContain(await token);
    return [error.errorClass, error.code, error.message];
  }
}

const OIDC_REFUSED = [
  "Unauthenticated",
  "Unauthenticated",
  "Could not verify OIDC token claim. Check that the token signature is valid and the token hasn't expired.",
];
const CUSTOM_REFUSED = [
  "Unauthenticated",
  "InvalidAuthHeader",
  "Could not verify token claim. Check that the JWT contains valid claims and matches your auth provider configuration.",
];

describe("OpenID Connect", () => {
  test("P-A-1 P-A-2 a good token is a user, with standard claims under their names and others as they are", async () => {
    const claims = {
      name: "N",
      given_name: "G",
      email: "e@x",
      email_verified: true,
      picture: "p",
      updated_at: 1_700_000_000,
      address: { formatted: "Street 1" },
      zoneinfo: "UTC",
      locale: "de",
      jti: "1",
      nbf: NOW - 5,
      fva: [1],
      nonce: "n",
      org: { id: 7 },
      roles: ["a"],
      tokenIdentifier: "forged",
      "my.claim": null,
    };
    const documents = await Documents.create();
    const identity = await documents.verifier().verify(await oidc({ claims }));
    expect(identity).toMatchObject({ kind: "user", expiresAt: (NOW + 60) * 1000 });
    expect(identity.kind === "user" && identity.attributes).toEqual({
      tokenIdentifier: `${ISSUER}|u1`,
      issuer: ISSUER,
      subject: "u1",
      name: "N",
      givenName: "G",
      email: "e@x",
      emailVerified: true,
      pictureUrl: "p",
      updatedAt: "2023-11-14T22:13:20+00:00",
      address: "Street 1",
      timezone: "UTC",
      language: "de",
      org: { id: 7 },
      roles: ["a"],
      "my.claim": null,
    });
  });

  test("P-A-1 EdDSA is accepted, and a token without a key id when one key fits", async () => {
    expect(await refusal(oidc({ header: { alg: "EdDSA", kid: "ed" }, key: ed.privateKey }))).toBe("accepted");
    expect(
      await refusal(
        new SignJWT({ iss: ISSUER, sub: "u", aud: "app", iat: NOW, exp: NOW + 9 })
          .setProtectedHeader({ alg: "RS256" })
          .sign(rsa.privateKey),
      ),
    ).toBe("accepted");
  });

  const wrong: readonly (readonly [string, () => Promise<string>])[] = [
    ["expired", () => oidc({ claims: { exp: NOW } })],
    ["without an expiry", () => oidc({ claims: { exp: undefined } as never })],
    ["without the time of issue", () => oidc({ claims: { iat: undefined } as never })],
    ["without a subject", () => oidc({ claims: { sub: undefined } as never })],
    ["not valid before tomorrow", () => oidc({ claims: { nbf: NOW + 86_400 } })],
    ["for other applications too", () => oidc({ claims: { aud: ["app", "other"] } })],
    ["signed by another key", () => oidc({ key: otherRsa.privateKey })],
    [
      "signed by an algorithm that is not taken",
      () => oidc({ header: { alg: "ES256", kid: "ec" }, key: ec.privateKey }),
    ],
    ["of an unknown key", () => oidc({ header: { kid: "unknown" } })],
  ];
  test.each(wrong)("P-A-1 a token %s is refused", async (_what, token) => {
    expect(await refusal(token())).toEqual(OIDC_REFUSED);
  });

  test("P-A-1 no signature, the public key as a secret, a changed payload", async () => {
    const claims = { iss: ISSUER, sub: "u1", aud: "app", iat: NOW - 10, exp: NOW + 60 };
    expect(await refusal(Promise.resolve(new UnsecuredJWT(claims).encode()))).toEqual(OIDC_REFUSED);
    const publicKey = new TextEncoder().encode(JSON.stringify(await exportJWK(rsa.publicKey)));
    expect(await refusal(oidc({ header: { alg: "HS256", kid: "rsa" }, key: publicKey }))).toEqual(OIDC_REFUSED);
    const [header = "", , signature = ""] = (await oidc()).split(".");
    const forged = btoa(JSON.stringify({ ...claims, sub: "admin" })).replaceAll("=", "");
    expect(await refusal(`${header}.${forged}.${signature}`)).toEqual(OIDC_REFUSED);
  });

  test("P-A-1 an issuer whose discovery document names another is refused", async () => {
    const documents = await Documents.create();
    documents.answer = (url) =>
      url.endsWith("openid-configuration")
        ? Response.json({ issuer: "https://evil.test", jwks_uri: `${ISSUER}/keys` })
        : null;
    expect(await refusal(oidc(), documents)).toEqual([
      "BadRequest",
      "AuthProviderDiscoveryFailed",
      expect.stringContaining("https://evil.test"),
    ]);
  });

  test.each([
    ["down", () => Promise.reject(new TypeError("fetch failed")), "BadRequest"],
    ["answering garbage", () => new Response("<html>"), "BadRequest"],
    ["answering another document", () => Response.json({}), "BadRequest"],
    ["failing", () => new Response("", { status: 500 }), "Overloaded"],
    ["missing", () => new Response("", { status: 404 }), "NotFound"],
    ["limiting us", () => new Response("", { status: 429 }), "RateLimited"],
    ["too talkative", () => new Response("x".repeat(2_000_000)), "BadRequest"],
  ])("P-A-1 a provider that is %s gives no identity", async (_what, answer, errorClass) => {
    const documents = await Documents.create();
    documents.answer = answer;
    expect(await refusal(oidc(), documents)).toEqual([errorClass, "AuthProviderDiscoveryFailed", expect.any(String)]);
  });
});

describe("custom JWTs", () => {
  test("P-A-2 claims keep their names, nested ones are flattened", async () => {
    const claims = {
      email: "e",
      given_name: "g",
      properties: { id: "1", deep: { x: [1] } },
      jti: "j",
      fva: 1,
      issuer: "no",
    };
    const identity = await (await Documents.create()).verifier().verify(await custom({ claims }));
    expect(identity.kind === "user" && identity.attributes).toEqual({
      tokenIdentifier: `${CUSTOM}|u1`,
      issuer: CUSTOM,
      subject: "u1",
      email: "e",
      given_name: "g",
      "properties.id": "1",
      "properties.deep.x": [1],
    });
  });

  test("P-A-1 five seconds of tolerance, more audiences, and a provider without an application", async () => {
    for (const claims of [{ exp: NOW - 5 }, { nbf: NOW + 5 }, { iat: NOW + 5 }, { aud: ["custom-app", "other"] }]) {
      // oxlint-disable-next-line no-await-in-loop -- a handful
      expect(await refusal(custom({ claims }))).toBe("accepted");
    }
    expect(await refusal(custom({ claims: { iss: "open.test", aud: undefined } as never }))).toBe("accepted");
  });

  const wrong: readonly (readonly [string, () => Promise<string>])[] = [
    ["without an expiry", () => custom({ claims: { exp: undefined } as never })],
    ["without a subject", () => custom({ claims: { sub: undefined } as never })],
  ];
  test.each(wrong)("P-A-1 E-G-4 a token %s is refused", async (_what, token) => {
    expect(await refusal(token())).toEqual(CUSTOM_REFUSED);
  });

  test.each([
    ["expired", { exp: NOW - 6 }, "Could not validate token: Token expired 6 seconds ago"],
    ["not yet valid", { nbf: NOW + 6 }, "Could not validate token: Token will be valid in 6 seconds"],
    ["issued in the future", { iat: NOW + 7 }, "Could not validate token: Token will be valid in 7 seconds"],
  ])("P-A-1 E-G-4 a token that is %s is refused, and the text says why", async (_what, claims, text) => {
    const hint = "There may be timing issues: compare the JWT's 'iat', 'nbf' and 'exp' claims with the current time.";
    expect(await refusal(custom({ claims: claims as never }))).toEqual([
      "Unauthenticated",
      "InvalidAuthHeader",
      `${text}. ${hint}`,
    ]);
  });

  test("P-A-1 E-G-4 the key that nobody knows is named in development, and not in production", async () => {
    const token = custom({ header: { kid: "unknown" } });
    const header = "Could not decode token. The JWT's 'kid' (key ID) header";
    expect(await refusal(token)).toEqual([
      "Unauthenticated",
      "InvalidAuthHeader",
      `${header} is 'unknown', does this key match any key in the provider's JWKS?`,
    ]);
    expect(await refusal(token, undefined, false)).toEqual([
      "Unauthenticated",
      "InvalidAuthHeader",
      `${header} doesn't match any key in the provider's JWKS, or the JWT signature is invalid.`,
    ]);
  });

  test("P-A-1 E-G-4 keys that are no key set", async () => {
    const documents = await Documents.create();
    documents.answer = () => Response.json({ nothing: true });
    const text =
      `Invalid JWKS response body from '${JWKS}'. The response is not valid JSON or doesn't match the expected ` +
      "JWKS format.";
    expect(await refusal(custom(), documents)).toEqual(["Unauthenticated", "InvalidAuthHeader", text]);
  });

  test("P-A-1 E-G-4 another algorithm, no key id", async () => {
    const other = custom({ header: { alg: "RS256", kid: "rsa" }, key: rsa.privateKey });
    expect(await refusal(other)).toEqual(["Unauthenticated", "InvalidAuthHeader", expect.stringContaining("RS256")]);
    const noKid = custom({ header: { kid: undefined } as never });
    expect(await refusal(noKid)).toEqual(["Unauthenticated", "InvalidAuthHeader", expect.stringContaining("kid")]);
  });

  test.each([
    ["down", () => Promise.reject(new TypeError("fetch failed"))],
    ["answering HTML", () => new Response("{}", { headers: { "content-type": "text/html" } })],
    ["failing", () => new Response("", { status: 503 })],
  ])("P-A-1 keys on a host that is %s give no identity", async (_what, answer) => {
    const documents = await Documents.create();
    documents.answer = answer;
    expect(await refusal(custom(), documents)).toEqual(["Unauthenticated", "InvalidAuthHeader", expect.any(String)]);
  });
});

describe("tokens of nobody", () => {
  test("E-G-3 the text lists the providers in development, and not in production", async () => {
    const token = oidc({ claims: { iss: "https://unknown.test" } });
    expect(await refusal(token)).toEqual([
      "Unauthenticated",
      "NoAuthProvider",
      "No auth provider found matching the given token. Check that your JWT's issuer and audience match one of your " +
        "configured providers: [OIDC(domain=https://issuer.test, app_id=app), " +
        "CustomJWT(issuer=https://custom.test/, app_id=custom-app), CustomJWT(issuer=https://open.test, app_id=none)]",
    ]);
    expect(await refusal(token, undefined, false)).toEqual([
      "Unauthenticated",
      "NoAuthProvider",
      "No auth provider found matching the given token. Check convex/auth.config.ts.",
    ]);
    expect(await refusal(oidc({ claims: { aud: "other" } }))).toEqual(expect.arrayContaining(["NoAuthProvider"]));
  });

  test.each([
    ["truncated", async () => (await oidc()).split(".").slice(0, 2).join("."), "three base64-encoded parts"],
    ["empty", async () => "", "three base64-encoded parts"],
    ["no JWT", async () => "a.b.c", "three base64-encoded parts"],
    ["1 MB long", async () => `${"a".repeat(1_000_000)}.b.c`, "too long"],
    [
      "of no issuer",
      () => oidc({ claims: { iss: undefined } as never }),
      "Missing issuer claim ('iss') in JWT payload",
    ],
  ])("E-G-4 a token that is %s", async (_what, token, text) => {
    expect(await refusal(token())).toEqual(["Unauthenticated", "InvalidAuthHeader", expect.stringContaining(text)]);
  });
});

describe("keys", () => {
  test("TOKEN1 documents are asked for once, and again when they are too old", async () => {
    const documents = await Documents.create();
    const verifier = documents.verifier();
    for (let i = 0; i < 3; i++) await verifier.verify(await oidc());
    expect(documents.asked).toHaveLength(2);
    documents.now += 601_000;
    await verifier.verify(await oidc({ claims: { exp: NOW + 700 } }));
    expect(documents.asked).toHaveLength(4);
  });

  test("TOKEN2 a new key is found at once, and unknown ones don't make us ask again and again", async () => {
    const documents = await Documents.create();
    const verifier = documents.verifier();
    await verifier.verify(await oidc());
    documents.oidcKeys.push({ ...(await exportJWK(otherRsa.publicKey)), kid: "rolled", alg: "RS256" });
    documents.now += 11_000;
    await verifier.verify(await oidc({ header: { kid: "rolled" }, key: otherRsa.privateKey }));
    const asked = documents.asked.length;
    for (let i = 0; i < 5; i++) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
      await expect(verifier.verify(await oidc({ header: { kid: `no${i}` } }))).rejects.toThrow("Could not verify");
    }
    expect(documents.asked.length).toBe(asked);
  });

  test("TOKEN2 tokens that come together ask once, for the first keys and for new ones", async () => {
    const documents = await Documents.create();
    const verifier = documents.verifier();
    const all = async (token: Promise<string>) =>
      Promise.all(Array.from({ length: 9 }, async () => verifier.verify(await token)));
    await all(oidc());
    expect(documents.asked).toHaveLength(2);
    documents.oidcKeys.push({ ...(await exportJWK(otherRsa.publicKey)), kid: "rolled", alg: "RS256" });
    documents.now += 11_000;
    await all(oidc({ header: { kid: "rolled" }, key: otherRsa.privateKey }));
    expect(documents.asked).toHaveLength(3);
  });

  test("TOKEN2 while the keys can't be had, unknown ones don't make us ask again and again either", async () => {
    const documents = await Documents.create();
    const verifier = documents.verifier();
    await verifier.verify(await oidc());
    documents.now += 11_000;
    documents.answer = () => new Response("", { status: 503 });
    const asked = documents.asked.length;
    for (let i = 0; i < 5; i++) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
      await expect(verifier.verify(await oidc({ header: { kid: `no${i}` } }))).rejects.toThrow("Could not verify");
    }
    expect(documents.asked.length).toBe(asked + 1);
    await verifier.verify(await oidc());
  });

  test("TOKEN1 Cache-Control shortens the age", async () => {
    const documents = await Documents.create();
    const keys = { keys: documents.customKeys };
    documents.answer = () => Response.json(keys, { headers: { "cache-control": "max-age=1" } });
    const verifier = documents.verifier();
    await verifier.verify(await custom());
    await verifier.verify(await custom());
    documents.now += 1001;
    await verifier.verify(await custom());
    expect(documents.asked).toHaveLength(2);
  });
});
