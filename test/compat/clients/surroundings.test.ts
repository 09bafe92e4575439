import { join } from "node:path";
import { ConvexHttpClient } from "convex/browser";
import { ConvexReactClient } from "convex/react";
import { anyApi, makeFunctionReference } from "convex/server";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { FIXTURES, ROOT } from "../../support/paths.ts";
import { Updates } from "../../support/updates.ts";

/** The clients of the package `convex` where there is no page: React Native, Node and edge runtimes. */

let backend: TestBackend;
let http: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "sync-app") });
  http = new FunctionClient(backend.url);
});
afterAll(() => backend?.stop());
afterEach(() => vi.unstubAllGlobals());

type Channel = { channel: string };
const list = makeFunctionReference<"query", Channel, string[]>("messages:list");
const send = makeFunctionReference<"mutation", Channel & { body: string }, string>("messages:send");
const echo = makeFunctionReference<"action", { value: unknown }, unknown>("act:echo");

const sockets: string[] = [];

/** As React Native's: it tells the server an `Origin`, that of the server. */
class NativeWebSocket extends WebSocket {
  constructor(url: string | URL) {
    super(url, { headers: { origin: String(url).replace(/^ws/, "http") } } as unknown as string[]);
    sockets.push(String(url));
  }
}

test.for([
  ["without a window", undefined],
  ["with a window that is no page", globalThis],
])("P-R-8 ConvexReactClient in React Native, %s", async ([, window]) => {
  vi.stubGlobal("window", window);
  vi.stubGlobal("navigator", { product: "ReactNative" });
  const channel = `native ${typeof window}`;
  const client = new ConvexReactClient(backend.url, {
    unsavedChangesWarning: false,
    skipConvexDeploymentUrlCheck: true,
    logger: false,
    webSocketConstructor: NativeWebSocket,
  });
  try {
    const watch = client.watchQuery(list, { channel });
    const updates = new Updates<string[] | undefined>();
    watch.onUpdate(() => updates.add(watch.localQueryResult()));
    expect(await updates.next()).toEqual([]);
    await client.mutation(send, { channel, body: "own" });
    expect(await updates.next()).toEqual(["own"]);
    await http.mutation("messages:send", { channel, body: "another's" });
    expect(await updates.next()).toEqual(["own", "another's"]);
    expect(await client.action(echo, { value: { big: 2n ** 63n - 1n } })).toEqual({ big: 2n ** 63n - 1n });
    expect(client.connectionState().isWebSocketConnected).toBe(true);
    expect(sockets.at(-1)).toMatch(/^ws:.*\/api\/1\.48\.0\/sync$/);
  } finally {
    await client.close();
  }
});

test("P-R-8 P-R-5 ConvexHttpClient in Node: all three kinds, consistent queries, errors, and a fetch of its own", async () => {
  const asked: string[] = [];
  const client = new ConvexHttpClient(backend.url, {
    skipConvexDeploymentUrlCheck: true,
    logger: false,
    fetch: (input, init) => {
      asked.push(new URL(new Request(input).url).pathname);
      return fetch(input, init);
    },
  });
  const value = { bytes: new Uint8Array([1, 255]).buffer, big: -(2n ** 63n), odd: [-0, NaN, Infinity], deep: [[{}]] };
  expect(await client.mutation(send, { channel: "node", body: "own" })).toEqual(expect.any(String));
  expect(await client.query(list, { channel: "node" })).toEqual(["own"]);
  expect(await client.consistentQuery(list, { channel: "node" })).toEqual(["own"]);
  expect(await client.action(echo, { value })).toEqual(value);
  await expect(client.action(anyApi.act!.failCvx!, {})).rejects.toMatchObject({ data: { code: 2 } });
  expect(asked.toSorted()).toEqual([
    "/api/action",
    "/api/action",
    "/api/mutation",
    "/api/query",
    "/api/query_at_ts",
    "/api/query_ts",
  ]);
});

const EDGE = `import { ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
export default { async fetch(request, env) {
  const client = new ConvexHttpClient(env.CONVEX_URL);
  await client.mutation(anyApi.messages.send, { channel: "edge", body: "own" });
  const failed = await client.mutation(anyApi.messages.failCvx, { channel: "edge" }).catch(({ data }) => data);
  const big = await client.action(anyApi.act.echo, { value: 2n ** 62n });
  return Response.json([await client.query(anyApi.messages.list, { channel: "edge" }), failed, String(big)]);
} };
`;

test("P-R-8 P-R-5 ConvexHttpClient in an edge runtime", async () => {
  const bundle = await build({
    stdin: { contents: EDGE, resolveDir: ROOT, loader: "js" },
    bundle: true,
    format: "esm",
    conditions: ["workerd", "browser"],
    write: false,
  });
  const script = bundle.outputFiles[0]?.text ?? "";
  const worker = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script,
      compatibilityDate: "2026-11-01",
      bindings: { CONVEX_URL: backend.url },
    }),
  );
  try {
    const response = await worker.dispatchFetch("http://edge.test/");
    expect(await response.json()).toEqual([["own"], { code: 1 }, String(2n ** 62n)]);
  } finally {
    await worker.dispose();
  }
});
