import "./dom.ts";
import { useConvexAuth, useQuery } from "convex/react";
import { ConvexProviderWithClerk } from "convex/react-clerk";
import { makeFunctionReference } from "convex/server";
import type { JWTPayload } from "jose";
import { createElement, type FunctionComponent, type ReactNode, useState } from "react";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuthBackend } from "../../support/auth-backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { type ProviderProps, ReactPage } from "./react-page.ts";

/**
 * Clerk, Auth0 and WorkOS as their guides for Convex set them up, with an issuer of this machine that signs what they
 * sign: their claims as documented, their configuration with its address in place of theirs.
 */

const WORKOS_CLIENT = "client_01HXYZ";

let world: AuthBackend;
let http: FunctionClient;

beforeAll(async () => {
  world = await AuthBackend.start(async ({ url }) =>
    JSON.stringify([
      // Clerk: CLERK_JWT_ISSUER_DOMAIN.
      { domain: url, applicationID: "convex" },
      // Auth0: the issuer ends in a slash, its domain in the dashboard does not.
      { domain: `${url}/tenant`, applicationID: "auth0ClientId" },
      // WorkOS AuthKit: two issuers, one set of keys.
      {
        type: "customJwt",
        issuer: "https://api.workos.com/",
        algorithm: "RS256",
        applicationID: WORKOS_CLIENT,
        jwks: `${url}/jwks`,
      },
      {
        type: "customJwt",
        issuer: `https://api.workos.com/user_management/${WORKOS_CLIENT}`,
        algorithm: "RS256",
        jwks: `${url}/jwks`,
      },
    ]),
  );
  http = new FunctionClient(world.url);
});
afterAll(() => world?.[Symbol.asyncDispose]());

const who = makeFunctionReference<"query", Record<string, never>, Record<string, unknown> | null>("who:am");

async function identity(claims: JWTPayload): Promise<unknown> {
  const token = await world.issuer.token(claims);
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const body = JSON.stringify({ path: "who:am", args: {}, format: "json" });
  const response = await fetch(new URL("/api/query", world.url), { method: "POST", headers, body });
  const answer = (await response.json()) as { status?: string; value?: unknown };
  return answer.status === "success" ? answer.value : answer;
}

/** Of its template named `convex`. */
const clerk = (subject: string): JWTPayload => ({
  azp: "http://localhost:5173",
  aud: "convex",
  sub: subject,
  jti: "8a1b2c3d4e5f",
  name: "Ada Lovelace",
  email: "ada@example.test",
  picture: "https://img.clerk.com/ada",
  nickname: null,
  given_name: "Ada",
  family_name: "Lovelace",
  updated_at: 1_700_000_000,
  phone_number: null,
  email_verified: true,
  phone_number_verified: false,
  org_id: "org_1",
  org_role: "org:admin",
});

test("P-A-6 P-A-2 Clerk: the template for Convex", async () => {
  expect(await identity(clerk("user_ada"))).toEqual({
    tokenIdentifier: `${world.issuer.url}|user_ada`,
    issuer: world.issuer.url,
    subject: "user_ada",
    name: "Ada Lovelace",
    email: "ada@example.test",
    pictureUrl: "https://img.clerk.com/ada",
    givenName: "Ada",
    familyName: "Lovelace",
    updatedAt: "2023-11-14T22:13:20+00:00",
    emailVerified: true,
    phoneNumberVerified: false,
    org_id: "org_1",
    org_role: "org:admin",
  });
});

test("P-A-6 Clerk: session tokens whose audience is Convex, with an organization and how long ago factors were verified", async () => {
  const session = { aud: "convex", sub: "user_ada", sid: "sess_1", sts: "active", v: 2, fva: [3, -1] };
  expect(await identity({ ...session, o: { id: "org_1", rol: "admin", slg: "analysts" } })).toEqual({
    tokenIdentifier: `${world.issuer.url}|user_ada`,
    issuer: world.issuer.url,
    subject: "user_ada",
    sid: "sess_1",
    sts: "active",
    v: 2,
    o: { id: "org_1", rol: "admin", slg: "analysts" },
  });
});

test("P-A-6 Auth0: ID tokens of an issuer that ends in a slash", async () => {
  const issuer = `${world.issuer.url}/tenant/`;
  expect(
    await identity({
      iss: issuer,
      aud: "auth0ClientId",
      sub: "auth0|65a1",
      nickname: "ada",
      name: "ada@example.test",
      picture: "https://s.gravatar.com/avatar/ada",
      updated_at: "2024-05-06T07:08:09.123Z",
      email: "ada@example.test",
      email_verified: false,
      sid: "sid",
      nonce: "cmFuZG9t",
    }),
  ).toEqual({
    tokenIdentifier: `${issuer}|auth0|65a1`,
    issuer,
    subject: "auth0|65a1",
    nickname: "ada",
    name: "ada@example.test",
    pictureUrl: "https://s.gravatar.com/avatar/ada",
    updatedAt: "2024-05-06T07:08:09.123Z",
    email: "ada@example.test",
    emailVerified: false,
    sid: "sid",
  });
});

test("P-A-6 WorkOS AuthKit: access tokens of both of its issuers, with and without an audience", async () => {
  const claims = { sub: "user_01", sid: "session_01", jti: "01J", org_id: "org_01", role: "admin" };
  const lists = { roles: ["admin"], permissions: ["notes:write"], entitlements: [] };
  for (const [issuer, aud] of [
    [`https://api.workos.com/user_management/${WORKOS_CLIENT}`, undefined],
    ["https://api.workos.com/", WORKOS_CLIENT],
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- two
    expect(await identity({ iss: issuer, aud, ...claims, ...lists })).toEqual({
      tokenIdentifier: `${issuer}|user_01`,
      issuer,
      subject: "user_01",
      sid: "session_01",
      org_id: "org_01",
      role: "admin",
      ...lists,
    });
  }
  expect(await identity({ iss: "https://api.workos.com/", aud: "another client", ...claims })).toMatchObject({
    code: "NoAuthProvider",
  });
});

/** What the hook of a Clerk SDK tells. */
interface ClerkState {
  readonly isLoaded: boolean;
  readonly isSignedIn: boolean | undefined;
  readonly orgId: string | null;
  readonly sessionId: string | null;
}

test("P-A-6 P-A-3 ConvexProviderWithClerk: loading, in, into an organization, and out", async () => {
  let change: (state: Partial<ClerkState>) => void = () => undefined;
  const asked: unknown[] = [];
  const useAuth = () => {
    const [state, setState] = useState<ClerkState>({
      isLoaded: false,
      isSignedIn: undefined,
      orgId: null,
      sessionId: null,
    });
    change = (next) => setState((now) => ({ ...now, ...next }));
    return {
      ...state,
      orgRole: null,
      sessionClaims: {},
      getToken: async (options: { template?: "convex"; skipCache?: boolean }) => {
        asked.push(options.template);
        const organization = state.orgId === null ? {} : { org_id: state.orgId };
        return world.issuer.token({ ...clerk("user_ada"), org_id: undefined, ...organization });
      },
    };
  };
  const Provider: FunctionComponent<ProviderProps> = ({ client, children }) =>
    createElement(ConvexProviderWithClerk, { client, useAuth, children });
  const Page = (): ReactNode => {
    const { isLoading, isAuthenticated } = useConvexAuth();
    const user = useQuery(who, isAuthenticated ? {} : "skip");
    return `<${isLoading ? "loading" : isAuthenticated ? "in" : "out"}> ${String(user?.["givenName"])} of ${String(user?.["org_id"])}.`;
  };
  await using page = await ReactPage.open(world.url, Page, Provider);
  await page.shows("<loading>");
  change({ isLoaded: true, isSignedIn: false });
  await page.shows("<out>");
  change({ isSignedIn: true, sessionId: "sess_1" });
  await page.shows("<in> Ada of undefined.");
  change({ orgId: "org_2" });
  await page.shows("<in> Ada of org_2.");
  change({ isSignedIn: false, sessionId: null, orgId: null });
  await page.shows("<out>");
  expect(new Set(asked)).toEqual(new Set(["convex"]));
  expect(await http.query("who:am")).toBeNull();
});
