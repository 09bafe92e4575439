import "./dom.ts";
import { join } from "node:path";
import { ConvexQueryClient, convexQuery, useConvexAction, useConvexMutation } from "@convex-dev/react-query";
import { QueryClient, QueryClientProvider, useMutation, useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { ConvexProvider } from "convex/react";
import { makeFunctionReference } from "convex/server";
import { convexVue, useConvexClient, useConvexMutation as useVueMutation, useConvexQuery } from "convex-vue";
import { createElement, type FunctionComponent, type ReactNode, Suspense, useState } from "react";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createApp, defineComponent, h, ref } from "vue";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";
import { type ProviderProps, ReactPage } from "./react-page.ts";
import { click, shows } from "./shown.ts";
import { svelteComponent } from "./svelte-component.ts";

/** The official clients of other frameworks, each on a page of its own, as their packages come from npm. */

let backend: TestBackend;
let http: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "sync-app") });
  http = new FunctionClient(backend.url);
});
afterAll(() => backend?.stop());

type Channel = { channel: string };
const list = makeFunctionReference<"query", Channel, string[]>("messages:list");
const alwaysFails = makeFunctionReference<"query", Channel, null>("messages:alwaysFails");
const send = makeFunctionReference<"mutation", Channel & { body: string }, string>("messages:send");
const failCvx = makeFunctionReference<"mutation", Channel, null>("messages:failCvx");
const echo = makeFunctionReference<"action", { value: string }, string>("act:echo");

const sent = (channel: string, body: string): Promise<unknown> => http.mutation("messages:send", { channel, body });

/** As the package's own example wires the two clients together. */
const TanStack: FunctionComponent<ProviderProps> = ({ client, children }) => {
  const [queries] = useState(() => {
    const convex = new ConvexQueryClient(client);
    const made = new QueryClient({
      defaultOptions: { queries: { queryKeyHashFn: convex.hashFn(), queryFn: convex.queryFn(), retry: false } },
    });
    convex.connect(made);
    return made;
  });
  const inner = createElement(QueryClientProvider, { client: queries }, children);
  return createElement(ConvexProvider, { client, children: inner });
};

test("P-R-8 TanStack Query subscribes, suspends, mutates, acts and is told of failures", async () => {
  function Suspending(): ReactNode {
    return `suspended ${useSuspenseQuery(convexQuery(list, { channel: "tanstack" })).data.length}`;
  }
  function Page(): ReactNode {
    const messages = useQuery(convexQuery(list, { channel: "tanstack" }));
    const failing = useQuery(convexQuery(alwaysFails, { channel: "tanstack" }));
    const skipped = useQuery(convexQuery(list, "skip"));
    const mutation = useMutation({ mutationFn: useConvexMutation(send) });
    const action = useMutation({ mutationFn: useConvexAction(echo) });
    return createElement("div", null, [
      `[${messages.isPending ? "loading" : messages.data?.join()}] [${skipped.fetchStatus}]`,
      `[${failing.error?.message.includes("it never works") === true ? "failed" : "…"}] [${action.data ?? "quiet"}]`,
      createElement("button", { key: 1, onClick: () => mutation.mutate({ channel: "tanstack", body: "own" }) }, "send"),
      createElement("button", { key: 2, onClick: () => action.mutate({ value: "echoed" }) }, "echo"),
      createElement(Suspense, { key: 3, fallback: "suspends" }, createElement(Suspending)),
    ]);
  }
  await using page = await ReactPage.open(backend.url, Page, TanStack);
  await page.shows("[] [idle]");
  await page.shows("[failed] [quiet]");
  await page.shows("suspended 0");
  page.click("send");
  await page.shows("[own] [idle]");
  await page.shows("suspended 1");
  await sent("tanstack", "another's");
  await page.shows("[own,another's] [idle]");
  page.click("echo");
  await page.shows("[failed] [echoed]");
});

test("P-R-8 convex-vue subscribes, changes arguments, mutates and is told of failures", async () => {
  const suspended: string[][] = [];
  const Page = defineComponent({
    setup() {
      const channel = ref("vue");
      const client = useConvexClient();
      const messages = useConvexQuery(list, () => ({ channel: channel.value }));
      const failing = useConvexQuery(alwaysFails, { channel: "vue" });
      const add = useVueMutation(send, {
        optimisticUpdate: (store, { channel, body }) =>
          store.setQuery(list, { channel }, [...(store.getQuery(list, { channel }) ?? []), `${body}…`]),
      });
      const fail = useVueMutation(failCvx);
      void messages.suspense().then((value) => suspended.push(value));
      const said = ref("quiet");
      const act = async (): Promise<void> => void (said.value = await client.action(echo, { value: "echoed" }));
      return () =>
        h("div", [
          `[${messages.isPending.value ? "loading" : messages.data.value?.join()}]`,
          `[${failing.error.value?.message.includes("it never works") === true ? "failed" : "…"}]`,
          `[${fail.error.value === null ? "" : String(fail.error.value)}][${said.value}]`,
          h("button", { onClick: () => add.mutate({ channel: channel.value, body: "own" }) }, "send"),
          h("button", { onClick: () => fail.mutate({ channel: "vue" }).catch(() => {}) }, "fail"),
          h("button", { onClick: () => (channel.value = "vue too") }, "turn"),
          h("button", { onClick: act }, "echo"),
        ]);
    },
  });
  await sent("vue too", "there");
  const element = document.createElement("div");
  document.body.append(element);
  const app = createApp(Page);
  app.use(convexVue, { url: backend.url, clientOptions: { skipConvexDeploymentUrlCheck: true, logger: false } });
  app.mount(element);
  try {
    await shows(element, "[][failed][][quiet]");
    expect(suspended).toEqual([[]]);
    click(element, "send");
    await shows(element, "[own]");
    await sent("vue", "another's");
    await shows(element, "[own,another's]");
    click(element, "fail");
    await shows(element, "ConvexError");
    click(element, "echo");
    await shows(element, "[echoed]");
    click(element, "turn");
    await shows(element, "[there]");
  } finally {
    const { clientRef } = app._context.provides["convex-vue"] as { clientRef: { value: { close(): Promise<void> } } };
    app.unmount();
    await clientRef.value.close();
    element.remove();
  }
});

const SVELTE = `<script>
  import { closeConvex, setupConvex, useAction, useMutation, usePaginatedQuery, useQuery } from "convex-svelte";
  import { makeFunctionReference } from "convex/server";
  let { url, opened } = $props();
  const client = setupConvex(url, { skipConvexDeploymentUrlCheck: true, logger: false });
  opened(closeConvex);
  let channel = $state("svelte");
  let said = $state("quiet");
  const list = makeFunctionReference("messages:list");
  const messages = useQuery(list, () => ({ channel }), { keepPreviousData: true });
  const failing = useQuery(makeFunctionReference("messages:alwaysFails"), () => ({ channel: "svelte" }));
  const skipped = useQuery(list, () => "skip");
  const pages = usePaginatedQuery(makeFunctionReference("messages:page"), () => ({ channel: "svelte pages" }), { initialNumItems: 2 });
  const send = useMutation(makeFunctionReference("messages:send"));
  const echo = useAction(makeFunctionReference("act:echo"));
</script>
<p>[{messages.isLoading ? "loading" : messages.data.join()}]</p>
<p>[{failing.error?.message.includes("it never works") ? "failed" : "…"}] [{skipped.isLoading}] [{said}]</p>
<p>[{pages.results.join()}] [{pages.status}]</p>
<button onclick={() => send({ channel, body: "own" })}>send</button>
<button onclick={async () => (said = await echo({ value: "echoed" }))}>echo</button>
<button onclick={() => (channel = "svelte too")}>turn</button>
<button onclick={() => pages.loadMore(2)}>more</button>
`;

test("P-R-8 convex-svelte subscribes, skips, pages, changes arguments, mutates and acts", async () => {
  const { default: Page, mount, unmount } = await svelteComponent(SVELTE);
  await http.mutation("messages:sendMany", { channel: "svelte pages", bodies: ["a", "b", "c"] });
  await sent("svelte too", "there");
  const element = document.createElement("div");
  document.body.append(element);
  let close = (): Promise<void> => Promise.resolve();
  const props = { url: backend.url, opened: (closeConvex: typeof close) => (close = closeConvex) };
  const component = mount(Page, { target: element, props });
  try {
    await shows(element, "[]");
    await shows(element, "[failed] [false] [quiet]");
    await shows(element, "[a,b] [CanLoadMore]");
    click(element, "more");
    await shows(element, "[a,b,c] [Exhausted]");
    click(element, "send");
    await shows(element, "[own]");
    await sent("svelte", "another's");
    await shows(element, "[own,another's]");
    click(element, "echo");
    await shows(element, "[echoed]");
    click(element, "turn");
    await shows(element, "[there]");
  } finally {
    await unmount(component);
    await close();
    element.remove();
  }
});
