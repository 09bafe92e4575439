import "./dom.ts";
import { join } from "node:path";
import { convexClient, crossDomainClient } from "@convex-dev/better-auth/client/plugins";
import { ConvexBetterAuthProvider } from "@convex-dev/better-auth/react";
import { createAuthClient } from "better-auth/react";
import { ConvexHttpClient } from "convex/browser";
import { Authenticated, Unauthenticated, useConvexAuth, useMutation, useQuery } from "convex/react";
import { makeFunctionReference } from "convex/server";
import { createElement, Fragment, type FunctionComponent, type ReactNode } from "react";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Updates } from "../../support/updates.ts";
import { type ProviderProps, ReactPage } from "./react-page.ts";

/** The component `@convex-dev/better-auth` as it comes from npm: email and password, from an app on another domain. */

const SITE = "http://localhost:5173";

let backend: TestBackend;

beforeAll(async () => {
  backend = await startBackend();
  using app = new AppCopy(join(FIXTURES, "better-auth-app"));
  await convex(app.path, backend, ["env", "set", "BETTER_AUTH_SECRET", "a secret of this test alone, and long enough"]);
  await convex(app.path, backend, ["env", "set", "SITE_URL", SITE]);
  const { code, stderr } = await convex(app.path, backend, ["deploy", "--typecheck", "disable"]);
  if (code !== 0) throw new Error(stderr);
});
afterAll(() => backend?.stop());

interface User {
  readonly _id: string;
  readonly name: string;
  readonly email: string;
}
const currentUser = makeFunctionReference<"query", Record<string, never>, User | null>("auth:getCurrentUser");
const rename = makeFunctionReference<"mutation", Record<string, never>>("auth:rename");

/** What the cross-domain plugin keeps instead of cookies. */
class Storage {
  readonly items = new Map<string, string>();
  readonly getItem = (key: string): string | null => this.items.get(key) ?? null;
  readonly setItem = (key: string, value: string): void => void this.items.set(key, value);
}

function authClient(storage: Storage, tokens?: Updates<true>) {
  return createAuthClient({
    baseURL: backend.siteUrl,
    plugins: [convexClient(), crossDomainClient({ storage })],
    fetchOptions: {
      // As a page of the app sends it.
      headers: { origin: SITE },
      customFetchImpl: async (input: Parameters<typeof fetch>[0], init?: RequestInit) => {
        const response = await fetch(input, init);
        if (response.url.endsWith("/convex/token")) tokens?.add(true);
        return response;
      },
    },
  });
}

test("P-A-6 Better Auth: signing up, the session, a token for Convex, and signing out", async () => {
  const client = authClient(new Storage());
  const signedUp = await client.signUp.email({ email: "ada@example.test", password: "correct horse", name: "Ada" });
  expect(signedUp.error).toBeNull();
  expect((await client.getSession()).data?.user).toMatchObject({ email: "ada@example.test", name: "Ada" });
  const token = (await client.convex.token()).data?.token ?? "";
  const http = new ConvexHttpClient(backend.url, { logger: false });
  expect(await http.query(currentUser, {})).toBeNull();
  http.setAuth(token);
  expect(await http.query(currentUser, {})).toMatchObject({ email: "ada@example.test", name: "Ada" });
  await http.mutation(rename, {});
  expect(await http.query(currentUser, {})).toMatchObject({ name: "renamed" });
  await client.signOut();
  expect((await client.getSession()).data).toBeNull();
  expect(await http.query(currentUser, {})).toBeNull();
});

test("P-A-6 Better Auth: what is refused", async () => {
  const client = authClient(new Storage());
  const person = { email: "bob@example.test", password: "correct horse", name: "Bob" };
  expect((await client.signUp.email({ ...person, password: "short" })).error).toMatchObject({ status: 400 });
  expect((await client.signUp.email(person)).error).toBeNull();
  expect((await client.signUp.email(person)).error).toMatchObject({ status: 422 });
  expect((await client.signIn.email({ ...person, password: "wrong horse" })).error).toMatchObject({ status: 401 });
  expect((await client.signIn.email(person)).data?.user).toMatchObject({ email: person.email });
});

test("P-A-6 Better Auth: keys and configuration that its routes publish, with CORS for the app", async () => {
  const keys = await fetch(`${backend.siteUrl}/api/auth/convex/jwks`);
  expect(await keys.json()).toMatchObject({ keys: [{ kty: "RSA" }] });
  const configuration = await fetch(`${backend.siteUrl}/api/auth/convex/.well-known/openid-configuration`);
  expect(await configuration.json()).toMatchObject({ issuer: backend.siteUrl });
  const preflight = await fetch(`${backend.siteUrl}/api/auth/get-session`, {
    method: "OPTIONS",
    headers: { origin: SITE, "access-control-request-method": "GET" },
  });
  expect(preflight.headers.get("access-control-allow-origin")).toBe(SITE);
});

type ProviderOptions = Parameters<typeof ConvexBetterAuthProvider>[0];

const page = (...children: ReactNode[]): ReactNode => createElement(Fragment, null, ...children);

function Inside(): ReactNode {
  const user = useQuery(currentUser, {});
  const change = useMutation(rename);
  return page(`hello ${user?.name ?? "…"}.`, createElement("button", { onClick: () => void change({}) }, "rename"));
}

test("P-A-6 Better Auth on a page: signing in, live data of the user, and signing out", async () => {
  const tokens = new Updates<true>();
  const client = authClient(new Storage(), tokens);
  const Page = (): ReactNode => {
    const { isLoading, isAuthenticated } = useConvexAuth();
    return page(
      `<${isLoading ? "loading" : isAuthenticated ? "in" : "out"}>`,
      createElement(Authenticated, null, createElement(Inside)),
      createElement(Unauthenticated, null, "please sign in"),
    );
  };
  const Provider: FunctionComponent<ProviderProps> = ({ client: convexReact, children }) => {
    // Its type for clients of several plugins admits none of them.
    const props = { client: convexReact, authClient: client, children } as unknown as ProviderOptions;
    return createElement(ConvexBetterAuthProvider, props);
  };
  await using one = await ReactPage.open(backend.url, Page, Provider);
  await one.shows("<out>please sign in");
  await client.signUp.email({ email: "carl@example.test", password: "correct horse", name: "Carl" });
  await one.shows("<in>hello Carl.");
  // The second one is fetched when the server has taken the first; the page would stay signed in with it.
  await tokens.next();
  await tokens.next();
  one.click("rename");
  await one.shows("<in>hello renamed.");
  await client.signOut();
  await one.shows("<out>please sign in");
});
