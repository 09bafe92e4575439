import { join } from "node:path";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { Issuer } from "../../support/issuer.ts";
import { FIXTURES } from "../../support/paths.ts";

let app: AppCopy;
let issuer: Issuer;
let backend: TestBackend;
/** What the first push said, before the variable of the auth config was set. */
let firstPush: string;

beforeAll(async () => {
  issuer = await Issuer.start();
  app = new AppCopy(join(FIXTURES, "auth-app"));
  backend = await startBackend();
  const deploy = ["deploy", "--typecheck", "disable"];
  firstPush = (await convex(app.path, backend, deploy)).stderr;
  await convex(app.path, backend, ["env", "set", "ISSUER", issuer.url]);
  const { code, stderr } = await convex(app.path, backend, deploy);
  if (code !== 0) throw new Error(stderr);
});

afterAll(async () => {
  await backend?.stop();
  await issuer?.[Symbol.asyncDispose]();
  app?.[Symbol.dispose]();
});

function client(token?: string): ConvexHttpClient {
  const made = new ConvexHttpClient(backend.url);
  if (token !== undefined) made.setAuth(token);
  return made;
}

async function query(authorization: string): Promise<[status: number, body: unknown]> {
  const headers = { "content-type": "application/json", authorization };
  const body = JSON.stringify({ path: "who:am", args: {} });
  const response = await fetch(`${backend.url}/api/query`, { method: "POST", headers, body });
  return [response.status, await response.json()];
}

test("P-A-7 E-G-6 an auth config whose variable is not set fails the push in words that the CLI knows", () => {
  expect(firstPush).toContain("Environment variable ISSUER is used in auth config file but its value was not set");
});

describe("identities", () => {
  test("S0-18 P-A-1 P-R-5 a good token is a user, in queries, mutations and actions; without one there is nobody", async () => {
    const user = client(await issuer.token({ sub: "u1", given_name: "Ada", org: { id: 1 } }));
    expect(await user.query(anyApi.who!.am!, {})).toEqual({
      tokenIdentifier: `${issuer.url}|u1`,
      issuer: issuer.url,
      subject: "u1",
      givenName: "Ada",
      org: { id: 1 },
    });
    expect(await user.mutation(anyApi.who!.write!, {})).toBe("u1");
    expect(await client().query(anyApi.who!.am!, {})).toBeNull();
  });

  test("P-A-2 a custom JWT keeps the names of its claims", async () => {
    const user = client(await issuer.customToken({ sub: "c1", given_name: "Ada", properties: { id: "7" } }));
    expect(await user.query(anyApi.who!.am!, {})).toEqual({
      tokenIdentifier: "https://custom.test|c1",
      issuer: "https://custom.test",
      subject: "c1",
      given_name: "Ada",
      "properties.id": "7",
    });
  });

  test("S0-19 P-A-5 the identity goes along to what an action calls, and not into components", async () => {
    const user = client(await issuer.token({ sub: "u2" }));
    expect(await user.action(anyApi.who!.everywhere!, {})).toEqual({
      own: "u2",
      query: "u2",
      mutation: "u2",
      action: "u2",
      component: null,
    });
  });

  test("P-F-19 P-A-1 the token is in the metadata of the request, for its own function alone", async () => {
    const token = await issuer.token();
    expect(await client(token).mutation(anyApi.who!.request!, {})).toMatchObject({ authToken: token });
    expect(await client().mutation(anyApi.who!.request!, {})).toMatchObject({ authToken: null });
  });

  test("P-A-4 the CLI runs a function as a user", async () => {
    const identity = JSON.stringify({ subject: "u3", issuer: "https://x" });
    const { stdout } = await convex(app.path, backend, ["run", "who:am", "--identity", identity]);
    expect(JSON.parse(stdout)).toEqual({ subject: "u3", issuer: "https://x", tokenIdentifier: "https://x|u3" });
  });
});

describe("an app that is its own provider", () => {
  test("P-A-6 tokens that its HTTP actions vouch for, as Convex Auth makes them", async () => {
    const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
    const keys = { keys: [{ ...(await exportJWK(publicKey)), use: "sig", alg: "RS256" }] };
    await convex(app.path, backend, ["env", "set", "JWKS", JSON.stringify(keys)]);
    const token = await new SignJWT({ sub: "user|session" })
      .setProtectedHeader({ alg: "RS256" })
      .setIssuedAt()
      .setIssuer(backend.siteUrl)
      .setAudience("self")
      .setExpirationTime("1h")
      .sign(privateKey);
    expect(await client(token).query(anyApi.who!.am!, {})).toEqual({
      tokenIdentifier: `${backend.siteUrl}|user|session`,
      issuer: backend.siteUrl,
      subject: "user|session",
    });
  });

  test("P-F-26 TOKEN6 tokens of signJwt", async () => {
    const args = { claims: { sub: "signed user", aud: "signed" }, seconds: 60 };
    const token: string = await client().mutation(anyApi.who!.sign!, args);
    expect(await client(token).query(anyApi.who!.am!, {})).toMatchObject({ subject: "signed user" });
  });
});

describe("sockets", () => {
  test("P-A-3 U1 a client that signs in sees its user, and nobody after it signed out", async () => {
    await using opened = open();
    const { live } = opened;
    const subjects = new Subjects();
    live.onUpdate(anyApi.who!.am!, {}, subjects.push);
    expect(await subjects.next()).toBeNull();
    const token = await issuer.token({ sub: "live" });
    live.setAuth(() => Promise.resolve(token));
    expect(await subjects.next()).toBe("live");
    live.client.clearAuth();
    expect(await subjects.next()).toBeNull();
  });

  test("P-A-3 U4 a client whose tokens are refused is told so, and goes on as nobody", async () => {
    await using opened = open();
    const { live } = opened;
    const forged = `${(await issuer.token()).slice(0, -20)}AAAAAAAAAAAAAAAAAAAA`;
    const signedIn = await new Promise((resolve) => live.setAuth(() => Promise.resolve(forged), resolve));
    expect(signedIn).toBe(false);
    expect(await live.query(anyApi.who!.am!, {})).toBeNull();
  });
});

function open(): AsyncDisposable & { readonly live: ConvexClient } {
  const live = new ConvexClient(backend.url, { unsavedChangesWarning: false, logger: false });
  return { live, [Symbol.asyncDispose]: () => live.close() };
}

/** Subjects of the identities that a subscription brings. */
class Subjects {
  readonly #seen: unknown[] = [];
  #wake: () => void = () => undefined;

  push = (identity: { subject: string } | null): void => {
    this.#seen.push(identity?.subject ?? null);
    this.#wake();
  };

  async next(): Promise<unknown> {
    while (this.#seen.length === 0) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#seen.shift();
  }
}

describe("refusals", () => {
  test("P-A-1 E-G-4 P-R-9 a token that is not good is a 401, and the function does not run", async () => {
    const now = Math.floor(Date.now() / 1000);
    for (const token of [
      await issuer.token({ exp: now - 1 }),
      `${(await issuer.token()).slice(0, -20)}AAAAAAAAAAAAAAAAAAAA`,
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- two
      expect(await query(`Bearer ${token}`)).toEqual([
        401,
        { code: "Unauthenticated", message: expect.stringContaining("Could not verify OIDC token claim.") },
      ]);
    }
    expect(await query(`Bearer ${await issuer.customToken({ exp: now - 60 })}`)).toEqual([
      401,
      { code: "InvalidAuthHeader", message: expect.stringContaining("Could not validate token: Token expired 6") },
    ]);
  });

  test("E-G-5 TOKEN4 within the tolerance of custom JWTs, a token that has expired runs nothing", async () => {
    const now = Math.floor(Date.now() / 1000);
    const expired = [401, { code: "TokenExpired", message: "Convex token identity expired" }];
    expect(await query(`Bearer ${await issuer.customToken({ exp: now - 1 })}`)).toEqual(expired);
  });

  test("E-G-3 a token of somebody else", async () => {
    const [status, body] = await query(`Bearer ${await issuer.token({ iss: "https://other.test" })}`);
    expect([status, body]).toEqual([
      401,
      { code: "NoAuthProvider", message: expect.stringContaining(`OIDC(domain=${issuer.url}, app_id=app)`) },
    ]);
  });

  test("P-H-7 an HTTP action runs whatever the token; only the identity is refused", async () => {
    const get = async (authorization?: string) => {
      const headers = authorization === undefined ? {} : { authorization };
      const response = await fetch(`${backend.siteUrl}/who`, { headers });
      return [response.status, await response.json()];
    };
    expect(await get()).toEqual([200, { seen: null, subject: null }]);
    expect(await get(`Bearer ${await issuer.token({ sub: "h" })}`)).toEqual([200, { seen: "h", subject: "h" }]);
    const expired = await issuer.token({ exp: 1 });
    expect(await get(`Bearer ${expired}`)).toEqual([
      500,
      expect.objectContaining({ code: expect.stringContaining("Could not verify OIDC token claim.") }),
    ]);
    const acting = btoa(JSON.stringify({ issuer: "i", subject: "acted" }));
    expect(await get(`Convex ${backend.adminKey}:${acting}`)).toEqual([200, { seen: "acted", subject: "acted" }]);
  });

  test("TOKEN3 no log line holds a token", async () => {
    const token = await issuer.token({ sub: "secret" });
    await query(`Bearer ${token}`);
    await query(`Bearer ${token.slice(0, -4)}AAAA`);
    expect(backend.logs).not.toContain(token.slice(0, 60));
  });
});

describe("tokens that the app signs", () => {
  test("P-F-26 are verified by the published key set, with the claims asked for", async () => {
    const token: string = await client().mutation(anyApi.who!.sign!, { claims: { sub: "s", aud: "x" }, seconds: 60 });
    const keys = createRemoteJWKSet(new URL(`${backend.url}/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(token, keys, { issuer: backend.url, audience: "x" });
    expect(payload).toMatchObject({ sub: "s", exp: payload.iat! + 60 });
    expect(protectedHeader.alg).toBe("ES256");
    const published = await (await fetch(`${backend.url}/.well-known/jwks.json`)).json();
    expect(Object.keys((published as { keys: object[] }).keys[0]!)).not.toContain("d");
  });

  test("P-F-26 a component has an issuer of its own", async () => {
    const token: string = await client().mutation(anyApi.who!.signInComponent!, {});
    const keys = createRemoteJWKSet(new URL(`${backend.url}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(token, keys);
    expect(payload.iss).toBe(`${backend.url}/components/child`);
  });

  test.each([
    [{ claims: { iss: "x" }, seconds: 60 }, "`iss` is reserved"],
    [{ claims: { ConvexRole: 1 }, seconds: 60 }, "`ConvexRole` is reserved"],
    [{ seconds: 0 }, "between 1 and 3600"],
    [{ seconds: 3601 }, "between 1 and 3600"],
  ])("P-F-26 refused: %j", async (args, text) => {
    await expect(client().mutation(anyApi.who!.sign!, args)).rejects.toThrow(text);
  });
});
