import "./dom.ts";
import { join } from "node:path";
import { ConvexHttpClient } from "convex/browser";
import {
  ConvexReactClient,
  useAction,
  useConvexConnectionState,
  useMutation,
  usePaginatedQuery,
  useQuery,
} from "convex/react";
import { makeFunctionReference, type PaginationOptions } from "convex/server";
import { createElement, Fragment, type ReactNode, useState } from "react";
import { renderToString } from "react-dom/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import type * as NamedHooks from "../../../src/react/hooks.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FIXTURES, ROOT } from "../../support/paths.ts";
import { ReactPage } from "./react-page.ts";

/** Hooks of `convex/react` on a page, and those of the package export that old apps import. */

let backend: TestBackend;
let named: typeof NamedHooks;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "sync-app") });
  named = await import(/* @vite-ignore */ join(ROOT, "dist/react/hooks.js"));
});
afterAll(() => backend?.stop());

type Channel = { channel: string };
const messages = {
  list: makeFunctionReference<"query", Channel, string[]>("messages:list"),
  page: makeFunctionReference<
    "query",
    Channel & { paginationOpts: PaginationOptions },
    { page: string[]; isDone: boolean; continueCursor: string }
  >("messages:page"),
  send: makeFunctionReference<"mutation", Channel & { body: string }, string>("messages:send"),
  sendMany: makeFunctionReference<"mutation", Channel & { bodies: string[] }, null>("messages:sendMany"),
};
const echoReference = makeFunctionReference<"action", { value: unknown }, unknown>("act:echo");

const button = (label: string, onClick: () => unknown): ReactNode =>
  createElement("button", { onClick: () => void onClick() }, label);

const page = (...children: ReactNode[]): ReactNode => createElement(Fragment, null, ...children);

test("P-R-7 P-R-1 useQuery is undefined while it loads, skips when asked to, and follows the data", async () => {
  await using one = await ReactPage.open(backend.url, () => {
    const [skip, setSkip] = useState(true);
    const list = useQuery(messages.list, skip ? "skip" : { channel: "react" });
    return page(
      `[${list === undefined ? "loading" : list.join()}]`,
      button("go", () => setSkip(false)),
    );
  });
  expect(one.text).toContain("[loading]");
  one.click("go");
  await one.shows("[]");
  await one.client.mutation(messages.send, { channel: "react", body: "hello" });
  await one.shows("[hello]");
});

test("P-R-7 useMutation shows its optimistic update until the real one is there", async () => {
  const seen: string[] = [];
  await using one = await ReactPage.open(backend.url, () => {
    const list = useQuery(messages.list, { channel: "optimistic" });
    const send = useMutation(messages.send).withOptimisticUpdate((store) => {
      store.setQuery(messages.list, { channel: "optimistic" }, ["guessed"]);
    });
    const text = `[${list?.join() ?? "loading"}]`;
    if (seen.at(-1) !== text) seen.push(text);
    return page(
      text,
      button("send", () => send({ channel: "optimistic", body: "real" })),
    );
  });
  await one.shows("[]");
  one.click("send");
  await one.shows("[real]");
  expect(seen).toEqual(["[loading]", "[]", "[guessed]", "[real]"]);
});

test("S0-32 P-R-7 useAction gives one function for good, which runs the action once", async () => {
  const functions = new Set<unknown>();
  await using one = await ReactPage.open(backend.url, () => {
    const echo = useAction(echoReference);
    functions.add(echo);
    const [answer, setAnswer] = useState("none");
    const [renders, setRenders] = useState(0);
    return page(
      `${answer} ${renders}`,
      button("run", async () => setAnswer(JSON.stringify(await echo({ value: { a: 1 } })))),
      button("again", () => setRenders(renders + 1)),
    );
  });
  one.click("again");
  await one.shows("none 1");
  one.click("run");
  await one.shows('{"a":1} 1');
  expect(functions.size).toBe(1);
});

test("P-R-7 usePaginatedQuery loads more, page by page", async () => {
  const bodies = Array.from({ length: 25 }, (_, i) => `m${i}`);
  const http = new ConvexHttpClient(backend.url, { skipConvexDeploymentUrlCheck: true });
  await http.mutation(messages.sendMany, { channel: "paged", bodies });
  await using one = await ReactPage.open(backend.url, () => {
    const args = { channel: "paged" };
    const { results, status, loadMore } = usePaginatedQuery(messages.page, args, { initialNumItems: 10 });
    return page(
      `[${results.length} ${status}]`,
      button("more", () => loadMore(10)),
    );
  });
  await one.shows("[10 CanLoadMore]");
  one.click("more");
  await one.shows("[20 CanLoadMore]");
  one.click("more");
  await one.shows("[25 Exhausted]");
});

test("P-R-6 useConvexConnectionState tells whether the socket is open and what is under way", async () => {
  await using one = await ReactPage.open(backend.url, () => {
    const { isWebSocketConnected, hasInflightRequests } = useConvexConnectionState();
    return page(isWebSocketConnected ? "connected" : "away", hasInflightRequests ? " busy" : " idle");
  });
  await one.shows("connected idle");
});

test("S1-19 S1-20 the hooks of old apps take names, and run what they name", async () => {
  await using one = await ReactPage.open(backend.url, () => {
    const list: string[] | undefined = named.useQuery("messages:list", { channel: "named" });
    const send = named.useMutation("messages:send");
    const echo = named.useAction("act:echo");
    const paged = named.usePaginatedQuery("messages:page", { channel: "named" }, { initialNumItems: 5 });
    const [answer, setAnswer] = useState("none");
    return page(
      `[${list?.join() ?? "loading"}] ${answer} ${paged.status}`,
      button("send", () => send({ channel: "named", body: "by name" })),
      button("echo", async () => setAnswer(JSON.stringify(await echo({ value: { a: 1, b: 2 } })))),
    );
  });
  await one.shows("[] none Exhausted");
  one.click("send");
  await one.shows("[by name]");
  one.click("echo");
  await one.shows('{"a":1,"b":2}');
});

test("S1-20 S4-4 a client calls by name too", async () => {
  const client = new ConvexReactClient(backend.url, { skipConvexDeploymentUrlCheck: true });
  const call = client as unknown as Record<
    "query" | "mutation" | "action",
    (name: string, args: object) => Promise<unknown>
  >;
  await call.mutation("messages:send", { channel: "byName", body: "x" });
  expect(await call.query("messages:list", { channel: "byName" })).toEqual(["x"]);
  expect(await call.action("act:echo", { value: 7 })).toBe(7);
  await client.close();
});

test("E-A-12 a hook outside of the provider", () => {
  const Orphan = (): ReactNode => {
    useAction(echoReference);
    return null;
  };
  expect(() => renderToString(createElement(Orphan))).toThrow(
    "Could not find Convex client! `useAction` must be used in the React component tree under `ConvexProvider`. " +
      "Did you forget it? See https://docs.convex.dev/quick-start#set-up-convex-in-your-react-app",
  );
});
