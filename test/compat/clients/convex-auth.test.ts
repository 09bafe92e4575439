import "./dom.ts";
import { join } from "node:path";
import { ConvexAuthProvider, useAuthActions, useAuthToken } from "@convex-dev/auth/react";
import { ConvexHttpClient } from "convex/browser";
import { Authenticated, Unauthenticated, useConvexAuth, useMutation, useQuery } from "convex/react";
import { makeFunctionReference } from "convex/server";
import { decodeJwt } from "jose";
import { createElement, Fragment, type FunctionComponent, type ReactNode, useState } from "react";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { AppCopy, convex } from "../../support/convex-cli.ts";
import { OAuthProvider } from "../../support/oauth-provider.ts";
import { FIXTURES, ROOT } from "../../support/paths.ts";
import { Spawned } from "../../support/spawned.ts";
import { Updates } from "../../support/updates.ts";
import { type ProviderProps, ReactPage } from "./react-page.ts";

/** The package `@convex-dev/auth` as it comes from npm, set up by its own command. */

const SITE = "http://localhost:5173";

let backend: TestBackend;
let provider: OAuthProvider;
let app: AppCopy;

beforeAll(async () => {
  provider = await OAuthProvider.start();
  backend = await startBackend();
  app = new AppCopy(join(FIXTURES, "convex-auth-app"));
  await setUp();
  const variables = {
    LOCAL_ISSUER: provider.url,
    LOCAL_CLIENT_ID: provider.clientId,
    LOCAL_CLIENT_SECRET: provider.clientSecret,
  };
  await fetch(new URL("/api/update_environment_variables", backend.url), {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Convex ${backend.adminKey}` },
    body: JSON.stringify({ changes: Object.entries(variables).map(([name, value]) => ({ name, value })) }),
  });
  const { code, stderr } = await convex(app.path, backend, ["deploy", "--typecheck", "disable"]);
  if (code !== 0) throw new Error(stderr);
});
afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
  await provider?.[Symbol.asyncDispose]();
});

/** `npx @convex-dev/auth`: makes keys and sets them with `npx convex env set`. */
async function setUp(): Promise<void> {
  const target = ["--url", backend.url, "--admin-key", backend.adminKey];
  const command = new Spawned(
    process.execPath,
    [join(ROOT, "node_modules/@convex-dev/auth/dist/bin.cjs"), "--skip-git-check", "--web-server-url", SITE, ...target],
    {
      cwd: app.path,
      env: { ...process.env, PATH: `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"]}`, CI: "1" },
    },
  );
  if ((await command.exited) !== 0) throw new Error(`${command.stdout}\n${command.stderr}`);
}

interface Tokens {
  readonly token: string;
  readonly refreshToken: string;
}
interface SignedIn {
  readonly tokens?: Tokens | null;
  readonly redirect?: string;
  readonly verifier?: string;
  readonly started?: boolean;
}
interface Me {
  readonly user: {
    readonly _id: string;
    readonly name?: string;
    readonly email?: string;
    readonly isAnonymous?: boolean;
  };
  readonly session: { readonly userId: string } | null;
}
const signIn = makeFunctionReference<"action", Record<string, unknown>, SignedIn>("auth:signIn");
const signOut = makeFunctionReference<"action", Record<string, never>>("auth:signOut");
const me = makeFunctionReference<"query", Record<string, never>, Me | null>("users:me");
const notes = makeFunctionReference<"query", Record<string, never>, string[]>("users:notes");
const write = makeFunctionReference<"mutation", { text: string }>("users:write");
const lastMail = makeFunctionReference<"query", { to: string }, string | null>("mails:last");

function http(token?: string): ConvexHttpClient {
  const client = new ConvexHttpClient(backend.url, { logger: false });
  if (token !== undefined) client.setAuth(token);
  return client;
}

async function tokens(args: Record<string, unknown>): Promise<Tokens> {
  const answer = await http().action(signIn, args);
  if (answer.tokens == null) throw new Error(`nobody signed in: ${JSON.stringify(answer)}`);
  return answer.tokens;
}

/** What a browser keeps. */
class Storage {
  readonly items = new Map<string, string>();
  readonly getItem = (key: string): string | null => this.items.get(key) ?? null;
  readonly removeItem = (key: string): void => void this.items.delete(key);
  readonly #refreshTokens = new Updates<string>();

  readonly setItem = (key: string, value: string): void => {
    this.items.set(key, value);
    if (key.startsWith("__convexAuthRefreshToken")) this.#refreshTokens.add(value);
  };

  /**
   * Resolves when another `count` refresh tokens have come: one of the sign-in, and one of the client, which trades
   * its token for a fresh one as soon as the server has taken it. Signing out before that may leave the page signed in.
   */
  async refreshed(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await this.#refreshTokens.next();
    }
  }

  /** The item whose key begins so: keys end in the deployment's address. */
  find(prefix: string): string | undefined {
    return [...this.items].find(([key]) => key.startsWith(prefix))?.[1];
  }
}

const button = (label: string, onClick: () => unknown): ReactNode =>
  createElement("button", { onClick: () => void onClick() }, label);

const page = (...children: ReactNode[]): ReactNode => createElement(Fragment, null, ...children);

function Inside(): ReactNode {
  const user = useQuery(me, {});
  const list = useQuery(notes, {});
  const add = useMutation(write);
  const { signOut: leave } = useAuthActions();
  const token = useAuthToken();
  return page(
    `hello ${user?.user.name ?? "…"} of ${typeof user?.session?.userId}, ${list?.join() ?? "…"}, ${token === null ? "no" : "a"} token.`,
    button("write", () => add({ text: "written" })),
    button("out", leave),
  );
}

function Outside(): ReactNode {
  const { signIn: enter } = useAuthActions();
  const [failure, setFailure] = useState("");
  const password = (flow: string, email: string, secret: string): ReactNode =>
    button(`${flow} ${email} ${secret}`, () =>
      enter("password", { flow, email, password: secret }).catch((error: Error) => setFailure(error.message)),
    );
  return page(
    `please sign in ${failure}`,
    button("anonymous", () => enter("anonymous")),
    password("signUp", "ada@example.test", "correct horse"),
    password("signUp", "ada@example.test", "short"),
    password("signIn", "ada@example.test", "correct horse"),
    password("signIn", "ada@example.test", "wrong horse"),
  );
}

function Page(): ReactNode {
  const { isLoading, isAuthenticated } = useConvexAuth();
  return page(
    `<${isLoading ? "loading" : isAuthenticated ? "in" : "out"}>`,
    createElement(Authenticated, null, createElement(Inside)),
    createElement(Unauthenticated, null, createElement(Outside)),
  );
}

function open(storage: Storage): Promise<ReactPage> {
  const Provider: FunctionComponent<ProviderProps> = ({ client, children }) =>
    createElement(ConvexAuthProvider, { client, storage, children });
  return ReactPage.open(backend.url, Page, Provider);
}

test("P-A-6 Convex Auth: the routes of the package publish the keys that its command has set", async () => {
  const configuration = await fetch(`${backend.siteUrl}/.well-known/openid-configuration`);
  expect(await configuration.json()).toMatchObject({
    issuer: backend.siteUrl,
    jwks_uri: `${backend.siteUrl}/.well-known/jwks.json`,
  });
  const keys = await fetch(`${backend.siteUrl}/.well-known/jwks.json`);
  expect(await keys.json()).toMatchObject({ keys: [{ use: "sig", kty: "RSA" }] });
});

test("P-A-6 Convex Auth on a page: anonymous, and the session outlives the page", async () => {
  const storage = new Storage();
  {
    await using one = await open(storage);
    await one.shows("<out>please sign in");
    one.click("anonymous");
    await one.shows("<in>hello somebody of string, , a token.");
    await storage.refreshed(2);
    one.click("write");
    await one.shows("written");
  }
  await using again = await open(storage);
  await again.shows("<in>hello somebody of string, written, a token.");
  await storage.refreshed(1);
  again.click("out");
  await again.shows("<out>please sign in");
  expect(storage.items.size).toBe(0);
});

test("P-A-6 Convex Auth on a page: signing up with a password, out, in, and what is refused", async () => {
  const storage = new Storage();
  await using one = await open(storage);
  await one.shows("<out>please sign in");
  one.click("signUp ada@example.test short");
  await one.shows("Invalid password");
  one.click("signUp ada@example.test correct horse");
  await one.shows("<in>hello ada of string, , a token.");
  await storage.refreshed(2);
  one.click("write");
  await one.shows("hello ada of string, written");
  one.click("out");
  await one.shows("<out>");
  one.click("signIn ada@example.test wrong horse");
  await one.shows("InvalidSecret");
  one.click("signIn ada@example.test correct horse");
  await one.shows("<in>hello ada of string, written, a token.");
  await storage.refreshed(2);
  const claims = decodeJwt(storage.find("__convexAuthJWT") ?? "");
  expect(claims).toMatchObject({ iss: backend.siteUrl, aud: "convex", name: "ada" });
});

test("P-A-6 Convex Auth: a refresh token brings fresh tokens, one of a session that ended brings none", async () => {
  const first = await tokens({ provider: "anonymous" });
  const user = await http(first.token).query(me, {});
  expect(user?.user).toMatchObject({ isAnonymous: true });
  const second = await tokens({ refreshToken: first.refreshToken });
  expect(second.refreshToken).not.toBe(first.refreshToken);
  expect((await http(second.token).query(me, {}))?.user._id).toBe(user?.user._id);
  await http(second.token).action(signOut, {});
  expect(await http().action(signIn, { refreshToken: second.refreshToken })).toEqual({ tokens: null });
  expect(await http(second.token).query(me, {})).toMatchObject({ session: null });
  expect(
    await http()
      .action(signIn, { refreshToken: "no|refresh token" })
      .catch(() => "refused"),
  ).toBe("refused");
});

test("P-A-6 Convex Auth: its tokens are good for HTTP actions, and `isAuthenticated` tells", async () => {
  const { token } = await tokens({ provider: "anonymous" });
  const answer = await fetch(`${backend.siteUrl}/me`, { headers: { authorization: `Bearer ${token}` } });
  expect(await answer.json()).toMatchObject({ issuer: backend.siteUrl, name: "somebody" });
  const isAuthenticated = makeFunctionReference<"query", Record<string, never>, boolean>("auth:isAuthenticated");
  expect(await http(token).query(isAuthenticated, {})).toBe(true);
  expect(await http().query(isAuthenticated, {})).toBe(false);
});

test("P-A-6 Convex Auth: codes by mail verify an address and reset a password", async () => {
  const email = "bob@example.test";
  const call = (params: Record<string, string>): Promise<SignedIn> =>
    http().action(signIn, { provider: "verified", params: { email, ...params } });
  expect(await call({ flow: "signUp", password: "first password" })).toEqual({ tokens: null });
  const code = (await http().query(lastMail, { to: email })) ?? "";
  expect(code).toMatch(/^\d{10}$/);
  await expect(call({ flow: "email-verification", code: "0000000000" })).rejects.toThrow();
  const verified = await call({ flow: "email-verification", code });
  expect(await http(verified.tokens?.token).query(me, {})).toMatchObject({ user: { email } });
  await call({ flow: "reset" });
  const reset = (await http().query(lastMail, { to: email })) ?? "";
  expect(reset).not.toBe(code);
  await call({ flow: "reset-verification", code: reset, newPassword: "second password" });
  await expect(call({ flow: "signIn", password: "first password" })).rejects.toThrow("InvalidSecret");
  expect((await call({ flow: "signIn", password: "second password" })).tokens?.token).toEqual(expect.any(String));
});

test("P-A-6 Convex Auth: OAuth through its routes, with PKCE, cookies and a code for the page", async () => {
  const { redirect = "", verifier = "" } = await http().action(signIn, { provider: "local", params: {} });
  expect(redirect).toContain(`${backend.siteUrl}/api/auth/signin/local?code=`);
  const left = await fetch(redirect, { redirect: "manual" });
  expect(left.status).toBe(302);
  const cookie = left.headers.getSetCookie().map((one) => one.split(";")[0]);
  expect(cookie.length).toBeGreaterThan(0);
  const claims = { sub: "carl at the provider", name: "carl", email: "carl@example.test" };
  const back = await fetch(provider.agree(left.headers.get("location") ?? "", claims), {
    redirect: "manual",
    headers: { cookie: cookie.join("; ") },
  });
  expect(back.status).toBe(302);
  const home = new URL(back.headers.get("location") ?? "");
  expect(home.origin).toBe(SITE);
  const code = home.searchParams.get("code") ?? "";
  const { token } = await tokens({ params: { code }, verifier });
  expect(await http(token).query(me, {})).toMatchObject({ user: { name: "carl", email: "carl@example.test" } });
  await expect(http().action(signIn, { params: { code }, verifier })).resolves.toMatchObject({ tokens: null });
});
