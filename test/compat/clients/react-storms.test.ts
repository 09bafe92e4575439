import "./dom.ts";
import { join } from "node:path";
import { useMutation, usePaginatedQuery, useQueries, useQuery } from "convex/react";
import { makeFunctionReference, type PaginationOptions } from "convex/server";
import { Component, createElement, Fragment, type ReactNode, useEffect, useState } from "react";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";
import { ReactPage } from "./react-page.ts";

/** What impatient users and bad networks do to pages made with `convex/react`. */

let backend: TestBackend;
let http: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "sync-app") });
  http = new FunctionClient(backend.url);
});
afterAll(() => backend?.stop());

type Channel = { channel: string };
type Page = { page: string[]; isDone: boolean; continueCursor: string };
const messages = {
  list: makeFunctionReference<"query", Channel, string[]>("messages:list"),
  first: makeFunctionReference<"query", Channel, string>("messages:first"),
  large: makeFunctionReference<"query", { length: number }, string>("messages:large"),
  page: makeFunctionReference<"query", Channel & { paginationOpts: PaginationOptions }, Page>("messages:page"),
  pageEitherWay: makeFunctionReference<"query", Channel & { turned: string; paginationOpts: PaginationOptions }, Page>(
    "messages:pageEitherWay",
  ),
  send: makeFunctionReference<"mutation", Channel & { body: string }, string>("messages:send"),
};

const button = (label: string, onClick: () => unknown): ReactNode =>
  createElement("button", { onClick: () => void onClick() }, label);

const page = (...children: ReactNode[]): ReactNode => createElement(Fragment, null, ...children);

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${i}`);

/** What a page has rendered, each once. */
class Renders {
  readonly all: string[] = [];

  add(text: string): string {
    if (this.all.at(-1) !== text) this.all.push(text);
    return text;
  }
}

test("P-R-7 a component that comes and goes a hundred times ends with live data", async () => {
  await http.mutation("messages:send", { channel: "rapid", body: "one" });
  const List = (): ReactNode => `[${useQuery(messages.list, { channel: "rapid" })?.join() ?? "loading"}]`;
  await using one = await ReactPage.open(backend.url, () => {
    const [times, setTimes] = useState(0);
    useEffect(() => {
      if (times > 0 && times < 100) setTimeout(() => setTimes(times + 1), 0);
    }, [times]);
    return page(
      `${times} `,
      times % 2 === 0 ? createElement(List) : "hidden",
      button("start", () => setTimes(1)),
    );
  });
  one.click("start");
  await one.shows("100 [one]");
  await http.mutation("messages:send", { channel: "rapid", body: "two" });
  await one.shows("100 [one,two]");
});

test("P-R-7 arguments that change fast: never the value of another argument, and the last one stays live", async () => {
  const channels = Array.from({ length: 20 }, (_, i) => `argument${i}`);
  await Promise.all(channels.map((channel) => http.mutation("messages:send", { channel, body: channel })));
  const renders = new Renders();
  await using one = await ReactPage.open(backend.url, () => {
    const [at, setAt] = useState(0);
    const channel = channels[at] ?? "";
    const list = useQuery(messages.list, { channel });
    useEffect(() => {
      if (at > 0 && at < channels.length - 1) setTimeout(() => setAt(at + 1), 0);
    }, [at]);
    return page(
      renders.add(`${channel}=${list?.join() ?? "loading"}`),
      button("start", () => setAt(1)),
    );
  });
  await one.shows("argument0=argument0");
  one.click("start");
  await one.shows("argument19=argument19");
  for (const text of renders.all) {
    const [channel, shown] = text.split("=");
    expect(["loading", channel]).toContain(shown);
  }
  await http.mutation("messages:send", { channel: "argument19", body: "live" });
  await one.shows("argument19=argument19,live");
});

class Boundary extends Component<{ readonly children?: ReactNode }, { readonly error: Error | null }> {
  override state: { readonly error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error): { readonly error: Error } {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return page(
      `failed: ${error.message}`,
      button("again", () => this.setState({ error: null })),
    );
  }
}

test("P-R-7 WS-R6 a query that fails reaches the error boundary, and the page recovers when its data does", async () => {
  const First = (): ReactNode => `[${useQuery(messages.first, { channel: "boundary" }) ?? "loading"}]`;
  await using one = await ReactPage.open(backend.url, () => createElement(Boundary, null, createElement(First)));
  await one.shows("failed:");
  expect(one.text).toMatch(/\[CONVEX Q\(messages:first\)\].*the channel is empty/s);
  one.click("again");
  await one.shows("failed:");
  await http.mutation("messages:send", { channel: "boundary", body: "repaired" });
  // The client subscribes while the boundary shows the failure only if the component is there: it asks anew.
  one.click("again");
  await one.shows("[repaired]");
  await http.mutation("messages:clear", { channel: "boundary" });
  await one.shows("failed:");
});

test("P-R-7 useQueries: two hundred queries at once, one of which fails, and a write to one of them", async () => {
  const channels = Array.from({ length: 200 }, (_, i) => `many${i}`);
  await http.mutation("messages:send", { channel: "many7", body: "seven" });
  const queries = Object.fromEntries([
    ...channels.map((channel) => [channel, { query: messages.list, args: { channel } }] as const),
    ["fails", { query: messages.first, args: { channel: "none" } }] as const,
  ]);
  await using one = await ReactPage.open(backend.url, () => {
    const results = useQueries(queries);
    const loaded = Object.values(results).filter((result) => result !== undefined).length;
    const failed = Object.values(results).filter((result) => result instanceof Error).length;
    return `${loaded} loaded, ${failed} failed, ${String(results["many7"])}, ${String(results["many199"])}.`;
  });
  await one.shows("201 loaded, 1 failed, seven, .");
  await http.mutation("messages:send", { channel: "many199", body: "last" });
  await one.shows("201 loaded, 1 failed, seven, last.");
});

test("P-R-7 WS-M12 a storm of mutations with optimistic updates: the list only grows, and ends in order", async () => {
  const lengths: number[] = [];
  const bodies = numbered(60);
  await using one = await ReactPage.open(backend.url, () => {
    const list = useQuery(messages.list, { channel: "storm" });
    const send = useMutation(messages.send).withOptimisticUpdate((store, { channel, body }) => {
      const shown = store.getQuery(messages.list, { channel }) ?? [];
      store.setQuery(messages.list, { channel }, [...shown, body]);
    });
    if (list !== undefined) lengths.push(list.length);
    const [done, setDone] = useState("sending");
    return page(
      `${list?.join() ?? "loading"} ${done}`,
      button("storm", async () => {
        await Promise.all(bodies.map((body) => send({ channel: "storm", body })));
        setDone("done");
      }),
    );
  });
  await one.shows(" sending");
  one.click("storm");
  await one.shows(`${bodies.join()} done`);
  expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
  expect(Math.max(...lengths)).toBe(bodies.length);
  expect(await http.query("messages:list", { channel: "storm" })).toEqual(bodies);
});

test("P-R-7 a mutation that fails takes its optimistic update back, and those around it stay", async () => {
  const fail = makeFunctionReference<"mutation", Channel>("messages:failCvx");
  const renders = new Renders();
  await using one = await ReactPage.open(backend.url, () => {
    const list = useQuery(messages.list, { channel: "refused" });
    const guess =
      (body: string) =>
      (store: { getQuery: Function; setQuery: Function }, { channel }: Channel) => {
        store.setQuery(messages.list, { channel }, [...store.getQuery(messages.list, { channel }), body]);
      };
    const send = useMutation(messages.send).withOptimisticUpdate((store, args) => guess(args.body)(store, args));
    const refused = useMutation(fail).withOptimisticUpdate(guess("never"));
    const [result, setResult] = useState("");
    return page(
      renders.add(`[${list?.join() ?? "loading"}]`),
      result,
      button("go", async () => {
        const [before, failed, after] = await Promise.allSettled([
          send({ channel: "refused", body: "before" }),
          refused({ channel: "refused" }),
          send({ channel: "refused", body: "after" }),
        ]);
        setResult(` ${before.status} ${failed.status} ${after.status}`);
      }),
    );
  });
  await one.shows("[]");
  one.click("go");
  await one.shows("[before,after] fulfilled rejected fulfilled");
  expect(renders.all).toContain("[before,never,after]");
  expect(renders.all.at(-1)).toBe("[before,after]");
});

test("P-R-7 WS-S17 results of many megabytes arrive in pieces, equal", async () => {
  const sizes = [6_000_000, 3_000_000, 3_000_100];
  const queries = Object.fromEntries(
    sizes.map((length) => [`of ${length}`, { query: messages.large, args: { length } }] as const),
  );
  await using one = await ReactPage.open(backend.url, () => {
    const results: Readonly<Record<string, unknown>> = useQueries(queries);
    const small = useQuery(messages.list, { channel: "beside the large" });
    const shown = sizes.map((length) => {
      const result = results[`of ${length}`];
      return result === `${"x".repeat(98)}😀`.repeat(length / 100) ? "equal" : typeof result;
    });
    return `${shown.join()} ${small?.join() ?? "loading"}.`;
  });
  await one.shows("equal,equal,equal .");
  await http.mutation("messages:send", { channel: "beside the large", body: "live" });
  await one.shows("equal,equal,equal live.");
});

test("P-R-7 any Unicode is what it was: arguments, values, and results that differ by a code point", async () => {
  const bodies = [
    "𝔘𝔫𝔦",
    "👩‍👩‍👧‍👦",
    "e\u0301",
    "é",
    "\u0000\u0001",
    "\u2028\u2029",
    "اَلْعَرَبِيَّةُ",
    "\uFEFFbom",
    '"\\/',
    "</script>",
  ];
  const channel = "ünïcode 💥\u2028";
  await using one = await ReactPage.open(backend.url, () => {
    const list = useQuery(messages.list, { channel });
    const send = useMutation(messages.send);
    const same = list !== undefined && list.length === bodies.length && list.every((body, i) => body === bodies[i]);
    return page(
      same ? "equal" : `${list?.length ?? "loading"}`,
      button("send", async () => Promise.all(bodies.map((body) => send({ channel, body })))),
    );
  });
  await one.shows("0");
  one.click("send");
  await one.shows("equal");
});

test("P-R-7 skip and back, in useQuery and usePaginatedQuery", async () => {
  const renders = new Renders();
  await using one = await ReactPage.open(backend.url, () => {
    const [skipped, setSkipped] = useState(true);
    const args = skipped ? "skip" : { channel: "skipped" };
    const list = useQuery(messages.list, args);
    const { results, status } = usePaginatedQuery(messages.page, args, { initialNumItems: 5 });
    return page(
      renders.add(`${list?.join() ?? "none"}/${results.join()}/${status}.`),
      button("toggle", () => setSkipped(!skipped)),
    );
  });
  await one.shows("none//LoadingFirstPage.");
  await http.mutation("messages:send", { channel: "skipped", body: "a" });
  one.click("toggle");
  await one.shows("a/a/Exhausted.");
  one.click("toggle");
  await one.shows("none//LoadingFirstPage.");
  await http.mutation("messages:send", { channel: "skipped", body: "b" });
  one.click("toggle");
  await one.shows("a,b/a,b/Exhausted.");
  expect(renders.all).not.toContain("a/a,b/Exhausted.");
});

test("P-R-7 WS-P1 pages that grow while more are loaded: every row once, in order", async () => {
  const channel = "growing";
  await http.mutation("messages:sendMany", { channel, bodies: numbered(40) });
  const problems: string[] = [];
  await using one = await ReactPage.open(backend.url, () => {
    const { results, status, loadMore } = usePaginatedQuery(messages.page, { channel }, { initialNumItems: 5 });
    if (new Set(results).size !== results.length) problems.push(results.join());
    useEffect(() => {
      if (status === "CanLoadMore") loadMore(5);
    }, [status, loadMore]);
    return `${results.length} ${status} ${results.join()}.`;
  });
  for (let i = 40; i < 70; i++) await http.mutation("messages:send", { channel, body: `m${i}` });
  await one.shows(`70 Exhausted ${numbered(70).join()}.`);
  await http.mutation("messages:clear", { channel, bodies: numbered(70).filter((_, i) => i % 3 === 0) });
  const left = numbered(70).filter((_, i) => i % 3 !== 0);
  await one.shows(`${left.length} Exhausted ${left.join()}.`);
  expect(problems).toEqual([]);
});

test("P-R-7 WS-P4 a first page that grows to many times its size is split, and shows every row once", async () => {
  const channel = "split";
  await http.mutation("messages:sendMany", { channel, bodies: numbered(30) });
  const problems: string[] = [];
  await using one = await ReactPage.open(backend.url, () => {
    const [turns, setTurns] = useState(0);
    const args = { channel, turned: "split back" };
    const { results, status, loadMore } = usePaginatedQuery(messages.pageEitherWay, args, { initialNumItems: 3 });
    if (new Set(results).size !== results.length) problems.push(results.join());
    return page(
      `${results.length} ${status} ${turns}.`,
      button("more", () => {
        loadMore(20);
        setTurns(turns + 1);
      }),
    );
  });
  await one.shows("3 CanLoadMore 0.");
  one.click("more");
  await one.shows("23 CanLoadMore 1.");
  one.click("more");
  await one.shows("30 Exhausted 2.");
  // At the end of the last page, which is longer than twice the first.
  for (let n = 0; n < 4; n++) {
    const bodies = Array.from({ length: 10 }, (_, i) => `later ${n} ${i}`);
    await http.mutation("messages:sendMany", { channel, bodies });
  }
  await one.shows("70 Exhausted 2.");
  expect(problems).toEqual([]);
});

test("P-R-7 WS-P5 a cursor that fits no more sends the list back to its first page", async () => {
  const channel = "turning";
  await http.mutation("messages:sendMany", { channel, bodies: numbered(12) });
  await using one = await ReactPage.open(backend.url, () => {
    const args = { channel, turned: "turning round" };
    const { results, status, loadMore } = usePaginatedQuery(messages.pageEitherWay, args, { initialNumItems: 4 });
    return page(
      `${results.join()} ${status}.`,
      button("more", () => loadMore(4)),
    );
  });
  await one.shows("m0,m1,m2,m3 CanLoadMore.");
  one.click("more");
  await one.shows("m0,m1,m2,m3,m4,m5,m6,m7 CanLoadMore.");
  await http.mutation("messages:send", { channel: "turning round", body: "x" });
  await one.shows("m11,m10,m9,m8 CanLoadMore.");
  one.click("more");
  await one.shows("m11,m10,m9,m8,m7,m6,m5,m4 CanLoadMore.");
});

test("P-R-7 P-R-4 a socket that is cut again and again in the middle of mutations: each runs once, in order", async () => {
  const bodies = numbered(40);
  await using one = await ReactPage.open(backend.url, () => {
    const list = useQuery(messages.list, { channel: "cut" });
    const send = useMutation(messages.send);
    const [done, setDone] = useState(0);
    return page(
      `${done} done, ${list?.length ?? "loading"} shown.`,
      button("send", () => {
        for (const body of bodies) void send({ channel: "cut", body }).then(() => setDone((count) => count + 1));
      }),
    );
  });
  await one.shows("0 done, 0 shown.");
  one.click("send");
  for (const _ of [1, 2, 3]) {
    one.cut();
    const before = one.client.connectionState().connectionCount;
    // Mutations that were under way are sent again with the next connection.
    await new Promise<void>((resolve) => {
      const stop = one.client.subscribeToConnectionState(({ connectionCount }) => {
        if (connectionCount === before) return;
        stop();
        resolve();
      });
    });
  }
  await one.shows("40 done, 40 shown.");
  expect(await http.query("messages:list", { channel: "cut" })).toEqual(bodies);
});

test("P-R-7 two clients that write to one list at once end with the same page", async () => {
  const List = (name: string) => (): ReactNode => {
    const list = useQuery(messages.list, { channel: "together" });
    const send = useMutation(messages.send);
    return page(
      `${list?.length ?? "loading"} ${list?.join() ?? ""}.`,
      button("send", () => Promise.all(numbered(25).map((body) => send({ channel: "together", body: name + body })))),
    );
  };
  await using one = await ReactPage.open(backend.url, List("a"));
  await using two = await ReactPage.open(backend.url, List("b"));
  await Promise.all([one.shows("0 ."), two.shows("0 .")]);
  one.click("send");
  two.click("send");
  await Promise.all([one.shows("50 "), two.shows("50 ")]);
  const stored = await http.query<string[]>("messages:list", { channel: "together" });
  await Promise.all([one, two].map((each) => each.shows(`50 ${stored.join()}.`)));
  for (const name of ["a", "b"]) {
    expect(stored.filter((body) => body.startsWith(name))).toEqual(numbered(25).map((body) => name + body));
  }
});
