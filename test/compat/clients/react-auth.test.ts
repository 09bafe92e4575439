import "./dom.ts";
import {
  Authenticated,
  AuthLoading,
  ConvexProviderWithAuth,
  Unauthenticated,
  useConvexAuth,
  useMutation,
  useQuery,
} from "convex/react";
import { makeFunctionReference } from "convex/server";
import { createElement, Fragment, type FunctionComponent, type ReactNode, useSyncExternalStore } from "react";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuthBackend } from "../../support/auth-backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { type ProviderProps, ReactPage } from "./react-page.ts";

/** `ConvexProviderWithAuth` and what stands on it, with tokens of a provider on this machine. */

let world: AuthBackend;
let http: FunctionClient;

beforeAll(async () => {
  world = await AuthBackend.start();
  http = new FunctionClient(world.url);
});
afterAll(() => world?.[Symbol.asyncDispose]());

const who = makeFunctionReference<"query", Record<string, never>, { subject: string } | null>("who:am");
const notes = makeFunctionReference<"query", Record<string, never>, string[]>("notes:list");
const add = makeFunctionReference<"mutation", { text: string }>("notes:add");

const button = (label: string, onClick: () => unknown): ReactNode =>
  createElement("button", { onClick: () => void onClick() }, label);

const page = (...children: ReactNode[]): ReactNode => createElement(Fragment, null, ...children);

/** What an app's sign-in library would be: whose token there is. */
class SignIn {
  /** Null: signed out. Called once for each token that the client wants. */
  #token: (() => Promise<string>) | null;
  readonly #listeners = new Set<() => void>();
  readonly fetches: boolean[] = [];

  constructor(token: (() => Promise<string>) | null) {
    this.#token = token;
  }

  set(token: (() => Promise<string>) | null): void {
    this.#token = token;
    for (const listener of this.#listeners) listener();
  }

  readonly #subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly #signedIn = (): boolean => this.#token !== null;

  readonly #fetchAccessToken = async (args: { forceRefreshToken: boolean }): Promise<string | null> => {
    this.fetches.push(args.forceRefreshToken);
    return this.#token === null ? null : this.#token();
  };

  readonly useAuth = () => ({
    isLoading: false,
    isAuthenticated: useSyncExternalStore(this.#subscribe, this.#signedIn),
    fetchAccessToken: this.#fetchAccessToken,
  });

  readonly Provider: FunctionComponent<ProviderProps> = ({ client, children }) =>
    createElement(ConvexProviderWithAuth, { client, useAuth: this.useAuth, children });
}

/** Shows the state, and queries as whoever is signed in. */
function Page({ states }: { readonly states: string[] }): ReactNode {
  const { isLoading, isAuthenticated, isRefreshing } = useConvexAuth();
  const state = [isLoading && "loading", isAuthenticated && "in", isRefreshing && "refreshing"];
  const text = state.filter((part) => part !== false).join() || "out";
  if (states.at(-1) !== text) states.push(text);
  return page(
    `<${text}>`,
    createElement(AuthLoading, null, "wait"),
    createElement(Unauthenticated, null, "please sign in"),
    createElement(Authenticated, null, createElement(Inside)),
  );
}

function Inside(): ReactNode {
  const subject = useQuery(who, {});
  const list = useQuery(notes, {});
  const write = useMutation(add);
  return page(
    `hello ${subject === undefined ? "…" : (subject?.subject ?? "nobody")}, ${list?.join() ?? "…"}.`,
    button("write", () => write({ text: "written" })),
  );
}

test("P-A-3 P-R-7 WS-U1 signing in, out, and in as somebody else: nobody is shown another's data", async () => {
  const signIn = new SignIn(null);
  const states: string[] = [];
  await using one = await ReactPage.open(world.url, () => createElement(Page, { states }), signIn.Provider);
  await one.shows("<out>please sign in");
  signIn.set(() => world.issuer.token({ sub: "ada" }));
  await one.shows("<in>hello ada");
  one.click("write");
  await one.shows("written by ada");
  signIn.set(null);
  await one.shows("<out>please sign in");
  expect(one.text).not.toContain("ada");
  signIn.set(() => world.issuer.token({ sub: "bob" }));
  await one.shows("<in>hello bob");
  one.click("write");
  await one.shows("written by bob");
});

test("P-A-3 E-G-5 a token that expires during the session is renewed, and the user stays signed in", async () => {
  const short = await world.expiring("long-lived", 4);
  let expired = false;
  const signIn = new SignIn(() => (expired ? world.issuer.token({ sub: "long-lived" }) : Promise.resolve(short.token)));
  const states: string[] = [];
  await using one = await ReactPage.open(world.url, () => createElement(Page, { states }), signIn.Provider);
  await one.shows("<in>hello long-lived");
  await short.expired();
  expired = true;
  const fetches = signIn.fetches.length;
  one.click("write");
  await one.shows("written by long-lived");
  await one.shows("<in>hello long-lived");
  expect(signIn.fetches.slice(fetches)).toContain(true);
  // `isAuthenticated` holds all along.
  expect(states.slice(states.indexOf("in"))).not.toContain("out");
  expect(states.slice(states.indexOf("in"))).not.toContain("loading");
  const all = await http.query<string[]>("notes:list");
  expect(all.filter((note) => note === "written by long-lived")).toHaveLength(1);
});

test("P-A-3 WS-U4 a provider whose tokens are refused is asked four times, and then the page is signed out", async () => {
  const forged = `${(await world.issuer.token()).slice(0, -20)}AAAAAAAAAAAAAAAAAAAA`;
  let asked = 0;
  // Equal tokens count as one that was tried: each is another, and none is good.
  const signIn = new SignIn(async () => {
    asked += 1;
    const [head = "", body = ""] = (await world.issuer.token({ sub: `try ${asked}` })).split(".");
    return [head, body, forged.split(".")[2]].join(".");
  });
  const states: string[] = [];
  await using one = await ReactPage.open(world.url, () => createElement(Page, { states }), signIn.Provider);
  await one.shows("<out>please sign in");
  expect(signIn.fetches).toEqual([false, true, true, true]);
  expect(states).not.toContain("in");
  expect(await one.client.query(who, {})).toBeNull();
});

test("P-A-3 clearAuth in the middle of everything: the queries go on as nobody, without a reconnect", async () => {
  const token = await world.issuer.token({ sub: "leaving" });
  const Open = (): ReactNode => {
    const subject = useQuery(who, {});
    return `${subject === undefined ? "…" : (subject?.subject ?? "nobody")}.`;
  };
  await using one = await ReactPage.open(world.url, Open);
  await one.shows("nobody.");
  for (let n = 0; n < 5; n++) {
    one.client.setAuth(() => Promise.resolve(token));
    await one.shows("leaving.");
    one.client.clearAuth();
    await one.shows("nobody.");
  }
  expect(one.client.connectionState().connectionCount).toBe(1);
});
