import { join } from "node:path";
import { BaseConvexClient, ConvexClient } from "convex/browser";
import { anyApi, makeFunctionReference } from "convex/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { HeldServer } from "../../support/held-server.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Updates } from "../../support/updates.ts";

/** The official clients over WebSocket, against the running backend. */

let backend: TestBackend;
let http: FunctionClient;
let outside: HeldServer;

const OPTIONS = { skipConvexDeploymentUrlCheck: true, logger: false } as const;

const list = makeFunctionReference<"query", { channel: string }, string[]>("messages:list");
const send = makeFunctionReference<"mutation", { channel: string; body: string }, string>("messages:send");

beforeAll(async () => {
  outside = await HeldServer.start();
  backend = await startBackend({ app: join(FIXTURES, "sync-app") });
  http = new FunctionClient(backend.url);
});
afterAll(async () => {
  await backend.stop();
  await outside[Symbol.asyncDispose]();
});

test("P-R-6 S4-13 S1-20 ConvexClient subscribes, mutates and sees the update, by reference and by string name", async () => {
  await using client = connected();
  const updates = new Updates<string[]>();
  client.value.onUpdate(list, { channel: "first" }, (value) => updates.add(value));
  expect(await updates.next()).toEqual([]);
  await client.value.mutation(send, { channel: "first", body: "hello" });
  expect(await updates.next()).toEqual(["hello"]);
  // Strings are taken at run time, as untyped code has them.
  const byName = client.value as unknown as {
    mutation(name: string, args: object): Promise<string>;
    action(name: string, args: object): Promise<unknown>;
    query(name: string, args: object): Promise<unknown>;
  };
  await byName.mutation("messages:send", { channel: "first", body: "by name" });
  expect(await updates.next()).toEqual(["hello", "by name"]);
  expect(await byName.action("act:echo", { value: [1n, -0] })).toEqual([1n, -0]);
  expect(await byName.query("messages:total", { channel: "first" })).toBe(2);
});

test("S4-1 ConvexClient calls an action by the generated kind of reference", async () => {
  await using client = connected();
  expect(await client.value.action(anyApi["act"]!["echo"]!, { value: "hello" })).toBe("hello");
});

test("S4-4 S1-27 BaseConvexClient calls an action by name, and its failure says which", async () => {
  const client = new BaseConvexClient(backend.url, () => {}, OPTIONS);
  try {
    expect(await client.action("act:echo", { value: 1 })).toBe(1);
    await expect(client.action("act:missing", {})).rejects.toThrow(/^\[CONVEX A\(act:missing\)\]/);
    await expect(client.action("act:failCvx", {})).rejects.toMatchObject({ data: { code: 2 } });
  } finally {
    await client.close();
  }
});

test("P-R-6 the connection state counts the action in flight", async () => {
  await using client = connected();
  const running = client.value.action(anyApi["act"]!["wait"]!, { url: outside.url("/state") });
  await outside.asked("/state");
  expect(client.value.connectionState()).toMatchObject({ isWebSocketConnected: true, inflightActions: 1 });
  outside.answer("/state", "done");
  expect(await running).toBe("done");
  expect(client.value.connectionState()).toMatchObject({ inflightActions: 0 });
});

test("WS-M12 an optimistic update gives way to the real value without the old one in between", async () => {
  const client = new BaseConvexClient(backend.url, changed, OPTIONS);
  const seen: unknown[] = [];
  const updates = new Updates<unknown>();
  client.subscribe("messages:list", { channel: "optimistic" });
  function changed(): void {
    const value = client.localQueryResult("messages:list", { channel: "optimistic" });
    if (value === undefined) return;
    seen.push(value);
    updates.add(value);
  }
  try {
    await updates.next();
    await client.mutation(
      "messages:send",
      { channel: "optimistic", body: "real" },
      {
        optimisticUpdate: (store) => store.setQuery(list, { channel: "optimistic" }, ["optimistic"]),
      },
    );
    expect(await updates.until((value) => JSON.stringify(value) === '["real"]')).toEqual(["real"]);
    expect(seen).toEqual([[], ["optimistic"], ["real"]]);
  } finally {
    await client.close();
  }
});

test("P-R-4 E-C-13 WS-M13 a cut socket: the subscription heals, the mutation runs once, the action in flight fails", async () => {
  await using client = connected();
  const updates = new Updates<string[]>();
  client.value.onUpdate(list, { channel: "restart" }, (value) => updates.add(value));
  await updates.next();
  const action = client.value.action(anyApi["act"]!["waitAndSend"]!, {
    url: outside.url("/restart"),
    channel: "elsewhere",
    body: "x",
  });
  const failed = expect(action).rejects.toThrow("Connection lost while action was in flight");
  await outside.asked("/restart");
  const socket = socketOf(client.value);
  const mutation = client.value.mutation(send, { channel: "restart", body: "once" });
  socket.close();
  await Promise.all([mutation, failed]);
  await updates.until((value) => value.length > 0);
  expect(await http.query("messages:list", { channel: "restart" })).toEqual(["once"]);
});

test("WS-A3 an action called before the socket is open runs when it is", async () => {
  await using client = connected();
  expect(await client.value.action(anyApi["act"]!["echo"]!, { value: "early" })).toBe("early");
});

test("WS-U9 an admin acting as a user, through the client", async () => {
  await using client = connected();
  const admin = client.value.client as unknown as { setAdminAuth(key: string, identity: object): void };
  admin.setAdminAuth(backend.adminKey, { issuer: "https://issuer.test", subject: "ada", name: "Ada" });
  expect(await client.value.query(makeFunctionReference<"query">("whoami:get"), {})).toMatchObject({ name: "Ada" });
  expect(await client.value.query(makeFunctionReference<"query">("secret:get"), {})).toBe("the secret");
});

function connected(): AsyncDisposable & { readonly value: ConvexClient } {
  const value = new ConvexClient(backend.url, OPTIONS);
  return { value, [Symbol.asyncDispose]: () => value.close() };
}

/** The socket inside, to cut it as a network would. */
function socketOf(client: ConvexClient): WebSocket {
  const inner = client.client as unknown as { webSocketManager: { socket: { ws: WebSocket } } };
  return inner.webSocketManager.socket.ws;
}
