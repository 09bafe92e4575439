import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { HeldServer } from "../../support/held-server.ts";
import { FIXTURES } from "../../support/paths.ts";
import { decodeTs, RawSocket } from "../../support/raw-socket.ts";

/** `wire.md` §8.4 in raw frames. */

let backend: TestBackend;
let http: FunctionClient;
let outside: HeldServer;

beforeAll(async () => {
  outside = await HeldServer.start();
  backend = await startBackend({ app: join(FIXTURES, "sync-app") });
  http = new FunctionClient(backend.url);
});
afterAll(async () => {
  await backend.stop();
  await outside[Symbol.asyncDispose]();
});

function list(channel: string): Promise<string[]> {
  return http.query("messages:list", { channel });
}

test("WS-M1 a mutation is answered, and a Transition at or after its timestamp follows", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:list", { channel: "m1" });
  await socket.transition();
  socket.mutate(0, "messages:send", { channel: "m1", body: "hello" });
  const response = await socket.response(0);
  expect(response).toMatchObject({ success: true, logLines: [], result: expect.any(String) });
  const { endVersion } = await socket.transition();
  expect(decodeTs(endVersion.ts)).toBeGreaterThanOrEqual(decodeTs(response["ts"]));
  expect(socket.value(0)).toEqual(["hello"]);
});

test("WS-M2 a mutation that writes nothing has a timestamp and a Transition too", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.mutate(0, "messages:nothing");
  const response = await socket.response(0);
  expect(response).toMatchObject({ success: true, result: "nothing was written" });
  const { endVersion } = await socket.transition();
  expect(decodeTs(endVersion.ts)).toBeGreaterThanOrEqual(decodeTs(response["ts"]));
});

test("WS-M3 a mutation that fails is answered with its text, and a Transition follows", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.mutate(0, "messages:fail");
  const response = await socket.response(0);
  expect(response).toMatchObject({
    success: false,
    ts: null,
    result: expect.stringMatching(/^\[Request ID: [0-9a-f]{16}\] Server Error\nUncaught Error: a plain error\n/),
    logLines: ["[LOG] 'about to fail'"],
  });
  expect(response).not.toHaveProperty("errorData");
  await socket.transition();
});

test("WS-M4 a ConvexError brings its data and writes nothing", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.mutate(0, "messages:failCvx", { channel: "m4" });
  expect(await socket.response(0)).toMatchObject({ success: false, errorData: { code: 1 } });
  await socket.transition();
  expect(await list("m4")).toEqual([]);
});

test("WS-M5 WS-M6 fifty mutations at once run in order, one that fails among them", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:list", { channel: "m5" });
  for (let i = 0; i < 50; i++) {
    if (i === 25) socket.mutate(i, "messages:fail");
    else socket.mutate(i, "messages:send", { channel: "m5", body: String(i) });
  }
  for (let i = 0; i < 50; i++) {
    const { requestId, success } = await socket.until("MutationResponse");
    expect([requestId, success]).toEqual([i, i !== 25]);
  }
  const expected = Array.from({ length: 50 }, (_, i) => String(i)).filter((body) => body !== "25");
  await socket.shows(0, (value) => (value as string[]).length === 49);
  expect(socket.value(0)).toEqual(expected);
});

test("WS-M7 WS-M8 a mutation sent again is answered from the record, whatever its arguments", async () => {
  const first = await RawSocket.open(backend.url);
  first.mutate(5, "messages:send", { channel: "m7", body: "once" });
  const answered = await first.response(5);
  await first[Symbol.asyncDispose]();
  const { sessionId } = first;
  await using second = await RawSocket.open(backend.url, { sessionId, connectionCount: 1 });
  second.mutate(5, "messages:send", { channel: "m7", body: "once" });
  const again = await second.response(5);
  expect(again).toMatchObject({ success: true, ts: answered["ts"], result: answered["result"] });
  await using third = await RawSocket.open(backend.url, { sessionId, connectionCount: 2 });
  third.mutate(5, "messages:send", { channel: "m7", body: "other arguments" });
  expect(await third.response(5)).toMatchObject({ ts: answered["ts"], result: answered["result"] });
  expect(await list("m7")).toEqual(["once"]);
});

test("WS-M9 a mutation that failed runs again", async () => {
  const first = await RawSocket.open(backend.url);
  first.mutate(0, "messages:fail");
  expect(await first.response(0)).toMatchObject({ success: false });
  await first[Symbol.asyncDispose]();
  await using second = await RawSocket.open(backend.url, { sessionId: first.sessionId, connectionCount: 1 });
  second.mutate(0, "messages:send", { channel: "m9", body: "hello" });
  expect(await second.response(0)).toMatchObject({ success: true });
  expect(await list("m9")).toEqual(["hello"]);
});

test("WS-M10 the same request on two sockets at once runs once", async () => {
  await using one = await RawSocket.open(backend.url);
  await using two = await RawSocket.open(backend.url, { sessionId: one.sessionId, connectionCount: 1 });
  for (const socket of [one, two]) socket.mutate(7, "messages:send", { channel: "m10", body: "hello" });
  const [a, b] = await Promise.all([one.response(7), two.response(7)]);
  expect(a).toEqual(b);
  expect(await list("m10")).toEqual(["hello"]);
});

test("WS-M11 without Connect there is no session, and a request sent again runs again", async () => {
  for (let i = 0; i < 2; i++) {
    await using socket = await RawSocket.open(backend.url, { connect: false });
    socket.mutate(0, "messages:send", { channel: "m11", body: "hello" });
    expect(await socket.response(0)).toMatchObject({ success: true });
  }
  expect(await list("m11")).toEqual(["hello", "hello"]);
});

test("WS-M14 what waited behind a slow mutation when the socket closed runs once after the reconnect", async () => {
  const first = await RawSocket.open(backend.url);
  first.mutate(0, "messages:slowly", { channel: "m14", body: "slow", rounds: 300 });
  first.mutate(1, "messages:send", { channel: "m14", body: "queued" });
  first.modify();
  await first.transition();
  await first[Symbol.asyncDispose]();
  await using second = await RawSocket.open(backend.url, { sessionId: first.sessionId, connectionCount: 1 });
  second.mutate(0, "messages:slowly", { channel: "m14", body: "slow", rounds: 300 });
  second.mutate(1, "messages:send", { channel: "m14", body: "queued" });
  await second.response(1);
  expect(await list("m14")).toEqual(["slow", "queued"]);
});

test("WS-M15 a mutation runs as whom it was sent by, though it waits", async () => {
  await using socket = await RawSocket.open(backend.url);
  const acting = (name: string) => ({
    tokenType: "Admin",
    value: backend.adminKey,
    impersonating: { issuer: "https://issuer.test", subject: name, name },
  });
  socket.authenticate(acting("Ada"));
  socket.mutate(0, "messages:slowly", { channel: "m15", body: "slow", rounds: 50 });
  socket.mutate(1, "whoami:sign", { channel: "m15" });
  socket.authenticate(acting("Bob"));
  socket.mutate(2, "whoami:sign", { channel: "m15" });
  await socket.response(2);
  expect(await list("m15")).toEqual(["slow", "Ada", "Bob"]);
});

test("WS-M16 malformed and unknown mutations fail, and the next one is served", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.mutate(0, "no such path!");
  socket.mutate(1, "messages:missing");
  socket.mutate(2, "secret:touch");
  socket.mutate(3, "messages:send", { channel: 7 });
  socket.mutate(4, "messages:nothing");
  const texts: string[] = [];
  for (let i = 0; i < 4; i++) texts.push(String((await socket.response(i))["result"]).split("\n")[1] ?? "");
  expect(texts).toEqual([
    expect.stringMatching(/^no such path! is not a valid path/),
    "Could not find public function for 'messages:missing'. Did you forget to run `npx convex dev`?",
    "Could not find public function for 'secret:touch'. Did you forget to run `npx convex dev`?",
    expect.stringMatching(/^ArgumentValidationError/),
  ]);
  expect(await socket.response(4)).toMatchObject({ success: true });
});

test("E-C-7b the 1001st pending mutation closes its own socket only", async () => {
  await using other = await RawSocket.open(backend.url);
  await using socket = await RawSocket.open(backend.url);
  socket.mutate(0, "messages:slowly", { channel: "ec7b", body: "slow", rounds: 500 });
  // Each is recorded by a commit of its own: they come far faster than they are answered.
  for (let i = 1; i <= 5000; i++) socket.mutate(i, "messages:nothing");
  expect(await socket.closed).toEqual({
    code: 1013,
    reason:
      "TooManyConcurrentMutations: Too many concurrent mutations. Only up to 1000 pending mutations allowed on a single websocket.",
  });
  other.mutate(0, "messages:nothing");
  expect(await other.response(0)).toMatchObject({ success: true });
});

test("E-C-7b the 1001st action in flight closes its own socket only", async () => {
  // Of its own: as many actions are in flight when it ends.
  await using crowded = await startBackend({
    app: join(FIXTURES, "sync-app"),
    env: { CONVECTION_CONCURRENT_ACTIONS: "1" },
  });
  await using other = await RawSocket.open(crowded.url);
  await using socket = await RawSocket.open(crowded.url);
  for (let i = 0; i <= 1000; i++) socket.act(i, "act:wait", { url: outside.url("/ec7b") });
  expect(await socket.closed).toEqual({
    code: 1013,
    reason:
      "TooManyInflightActionsForSingleClient: Inflight actions overloaded for a single client, max concurrency: 1000",
  });
  other.mutate(0, "messages:nothing");
  expect(await other.response(0)).toMatchObject({ success: true });
});

test("WS-A1 S0-34 of two actions the one that ends first is answered first", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.act(0, "act:wait", { url: outside.url("/a1") });
  await outside.asked("/a1");
  socket.act(1, "act:echo", { value: "quick" });
  expect(await socket.until("ActionResponse")).toMatchObject({ requestId: 1, success: true, result: "quick" });
  outside.answer("/a1", "slow");
  const slow = await socket.until("ActionResponse");
  expect(slow).toMatchObject({ requestId: 0, success: true, result: "slow", logLines: [] });
  expect(slow).not.toHaveProperty("ts");
  await socket.transition();
});

test("S0-33 S1-21 an action starts while another action and a mutation of its client run", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.mutate(0, "messages:slowly", { channel: "s033", body: "slow", rounds: 500 });
  socket.act(1, "act:wait", { url: outside.url("/s033/1") });
  socket.act(2, "act:wait", { url: outside.url("/s033/2") });
  // Both are running at once, and no mutation was answered before.
  await Promise.all([outside.asked("/s033/1"), outside.asked("/s033/2")]);
  outside.answer("/s033/1", "one");
  outside.answer("/s033/2", "two");
  const order: unknown[] = [];
  while (order.length < 3) {
    const { requestId } = await socket.next();
    if (requestId !== undefined) order.push(requestId);
  }
  expect(new Set(order)).toEqual(new Set([0, 1, 2]));
});

test("WS-A2 P-R-4 an action whose socket closed runs to its end, once", async () => {
  const socket = await RawSocket.open(backend.url);
  socket.act(0, "act:waitAndSend", { url: outside.url("/a2"), channel: "a2", body: "after all" });
  await outside.asked("/a2");
  await socket[Symbol.asyncDispose]();
  await using watcher = await RawSocket.open(backend.url);
  watcher.add(0, "messages:list", { channel: "a2" });
  outside.answer("/a2", "go on");
  await watcher.shows(0, (value) => (value as string[] | undefined)?.length === 1);
  expect(await list("a2")).toEqual(["after all"]);
});

test("WS-A4 an action that throws a ConvexError brings its data", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.act(0, "act:failCvx");
  expect(await socket.until("ActionResponse")).toMatchObject({ success: false, errorData: { code: 2 } });
});

test("WS-A5 P-R-3 what an action wrote is in a query sooner or later", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:list", { channel: "a5" });
  await socket.transition();
  socket.act(0, "act:steps", { url: outside.url("/a5"), channel: "a5", count: 1 });
  await outside.asked("/a5?step=1");
  outside.answer("/a5?step=1", "go on");
  expect(await socket.until("ActionResponse")).toMatchObject({ success: true });
  await socket.shows(0, (value) => (value as string[]).length === 1);
});

test("P-R-2 S0-4 each mutation of a running action reaches subscribers while it runs", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:list", { channel: "pr2" });
  await socket.transition();
  socket.act(0, "act:steps", { url: outside.url("/pr2"), channel: "pr2", count: 3 });
  for (let step = 1; step <= 3; step++) {
    // The action goes on only when the subscriber has seen the step.
    await outside.asked(`/pr2?step=${step}`);
    await socket.shows(0, (value) => (value as string[]).length === step);
    outside.answer(`/pr2?step=${step}`, "go on");
  }
  expect(await socket.until("ActionResponse")).toMatchObject({ success: true, result: "done" });
});

test("WS-A6 a system action without an admin key is refused for good", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.act(0, "_system/cli/anything");
  expect(await socket.next()).toMatchObject({
    type: "FatalError",
    error: expect.stringMatching(/^SystemIdentityRequired/),
  });
  expect((await socket.closed).code).toBe(1000);
});
