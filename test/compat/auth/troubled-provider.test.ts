import { afterAll, beforeAll, expect, test } from "vitest";
import { AuthBackend } from "../../support/auth-backend.ts";

/** A provider that can't be asked: every case comes before anything of it is in a cache, and the last one after it. */

let world: AuthBackend;

beforeAll(async () => {
  world = await AuthBackend.start(async ({ url }) =>
    JSON.stringify([
      { domain: url, applicationID: "app" },
      { type: "customJwt", issuer: "https://custom.test", jwks: `${url}/keys`, algorithm: "ES256" },
    ]),
  );
});
afterAll(() => world?.[Symbol.asyncDispose]());

async function answers(): Promise<readonly [status: number, body: unknown][]> {
  const { issuer } = world;
  const tokens = await Promise.all([issuer.token({ sub: "u" }), issuer.customToken({ sub: "u" })]);
  return Promise.all(
    tokens.map(async (token): Promise<[number, unknown]> => {
      const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
      const body = JSON.stringify({ path: "who:am", args: {} });
      const response = await fetch(`${world.url}/api/query`, { method: "POST", headers, body });
      return [response.status, await response.json()];
    }),
  );
}

test.each([
  ["silent", "could not be reached"],
  ["stalling", "could not be read to its end"],
  ["garbage", "did not answer with JSON"],
] as const)(
  "P-A-1 E-G-4 a provider that is %s gives no identity: the answer says so, and comes",
  async (trouble, text) => {
    const { issuer } = world;
    issuer.trouble = trouble;
    expect(await answers()).toEqual([
      [
        400,
        {
          code: "AuthProviderDiscoveryFailed",
          message: `Auth provider discovery failed: ${issuer.url}/.well-known/openid-configuration ${text}`,
        },
      ],
      [
        401,
        {
          code: "InvalidAuthHeader",
          message: `Could not fetch JWKS from URL '${issuer.url}/keys': ${issuer.url}/keys ${text}. Check that the URL is correct and accessible.`,
        },
      ],
    ]);
  },
);

test("P-A-1 TOKEN1 as soon as the provider is well again its tokens are good, and go on being so without it", async () => {
  const { issuer } = world;
  const user = [200, expect.objectContaining({ value: expect.objectContaining({ subject: "u" }) })];
  issuer.trouble = null;
  expect(await answers()).toEqual([user, user]);
  issuer.trouble = "silent";
  expect(await answers()).toEqual([user, user]);
});
