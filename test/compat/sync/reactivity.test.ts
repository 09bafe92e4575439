import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";
import { FunctionLog } from "../../support/function-log.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";
import { adding, RawSocket } from "../../support/raw-socket.ts";

/** `wire.md` §8.3 in raw frames. */

let backend: TestBackend;
let http: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "sync-app") });
  http = new FunctionClient(backend.url);
});
afterAll(() => backend.stop());

function send(channel: string, body: string): Promise<unknown> {
  return http.mutation("messages:send", { channel, body });
}

test("WS-R1 P-R-1 a write over HTTP reaches every subscriber", async () => {
  await using one = await RawSocket.open(backend.url);
  await using two = await RawSocket.open(backend.url);
  for (const socket of [one, two]) socket.add(0, "messages:list", { channel: "r1" });
  for (const socket of [one, two]) await socket.shows(0, (value) => Array.isArray(value));
  await send("r1", "hello");
  for (const socket of [one, two]) expect(await socket.shows(0, (value) => String(value) !== "")).toEqual(["hello"]);
});

test("WS-R2 a write elsewhere brings no update", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:list", { channel: "r2" });
  await socket.transition();
  await http.mutation("messages:other", { text: "elsewhere" });
  await send("another channel", "elsewhere");
  await send("r2", "here");
  const { modifications } = await socket.transition();
  expect(modifications).toMatchObject([{ queryId: 0, value: ["here"] }]);
});

test("WS-R3 a result that did not change is not sent again", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:any", { channel: "r3" });
  await socket.shows(0, (value) => value === false);
  await send("r3", "one");
  await socket.shows(0, (value) => value === true);
  await send("r3", "two");
  const unchanged = await socket.transition();
  expect(unchanged.modifications).toEqual([]);
  expect(unchanged.endVersion.ts).not.toBe(unchanged.startVersion.ts);
});

test("WS-R4 P-R-1 no Transition shows half of a mutation", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:both", { channel: "r4" });
  for (let i = 0; i < 20; i++) void send("r4", String(i));
  for (;;) {
    const { modifications } = await socket.transition();
    for (const { value } of modifications) {
      const { messages, total } = value as { messages: number; total: number };
      expect(messages).toBe(total);
    }
    if ((socket.value(0) as { total: number }).total === 20) break;
  }
});

test("WS-R5 P-R-1 two queries that one write affects move in one Transition", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.modify(adding(0, "messages:list", { channel: "r5" }), adding(1, "messages:total", { channel: "r5" }));
  await socket.transition();
  for (let i = 1; i <= 10; i++) {
    await send("r5", String(i));
    const { modifications } = await socket.transition(({ modifications: { length } }) => length > 0);
    expect(modifications.map(({ queryId }) => queryId)).toEqual([0, 1]);
    expect((socket.value(0) as string[]).length).toBe(socket.value(1));
  }
});

test("WS-R6 a query that fails recovers when its data does", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:first", { channel: "r6" });
  const failed = await socket.transition();
  expect(failed.modifications).toMatchObject([
    { type: "QueryFailed", errorMessage: expect.stringMatching(/the channel is empty/) },
  ]);
  expect(failed.modifications[0]).not.toHaveProperty("errorData");
  await send("r6", "hello");
  const healed = await socket.transition(({ modifications: { length } }) => length > 0);
  expect(healed.modifications).toMatchObject([{ type: "QueryUpdated", value: "hello" }]);
});

test("WS-R7 unknown, internal and malformed function paths fail the query, not the socket", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.modify(
    adding(0, "messages:missing"),
    adding(1, "secret:get"),
    adding(2, "messages:send"),
    adding(3, "no such path!"),
    adding(4, "_system/cli/tables"),
  );
  const { modifications } = await socket.transition();
  expect(modifications.map(({ errorMessage }) => errorMessage?.split("\n")[1])).toEqual([
    "Could not find public function for 'messages:missing'. Did you forget to run `npx convex dev`?",
    "Could not find public function for 'secret:get'. Did you forget to run `npx convex dev`?",
    "Trying to execute messages.js:send as Query, but it is defined as Mutation.",
    expect.stringMatching(/^no such path! is not a valid path to a Convex function\./),
    "Could not find public function for '_system/cli/tables'. Did you forget to run `npx convex dev`?",
  ]);
  socket.add(5, "messages:list", { channel: "r7" });
  await socket.shows(5, (value) => Array.isArray(value));
});

test("WS-R8 a burst of commits reaches a client that lags in few Transitions, the last one with everything", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:list", { channel: "r8" });
  await socket.transition();
  await Promise.all(Array.from({ length: 200 }, (_, i) => send("r8", String(i))));
  await socket.shows(0, (value) => (value as string[]).length === 200);
  expect(socket.transitions).toBeLessThanOrEqual(201);
});

test("WS-R9 P-I-4 a push and a change of variables re-run what they affect, on the open socket", async () => {
  const files = (text: string) => ({
    "convex/code.ts": `import { query } from "./_generated/server";
      export const get = query({ args: {}, handler: () => ${text} });`,
  });
  using app = new ConvexApp(files(`"old " + (process.env.GREETING ?? "")`));
  await using other = await startBackend({ app: app.path });
  await using socket = await RawSocket.open(other.url);
  socket.add(0, "code:get");
  await socket.shows(0, (value) => value === "old ");
  app.write(files(`"new " + (process.env.GREETING ?? "")`));
  await app.deploy(other);
  await socket.shows(0, (value) => value === "new ");
  await app.convex(other, "env", "set", "GREETING", "hello");
  await socket.shows(0, (value) => value === "new hello");
  app.remove("convex/code.ts");
  app.write({ "convex/another.ts": "export {};" });
  await app.deploy(other);
  const { modifications } = await socket.transition(
    (transition) => transition.modifications[0]?.type === "QueryFailed",
  );
  expect(modifications).toMatchObject([
    { type: "QueryFailed", errorMessage: expect.stringMatching(/Could not find public function/) },
  ]);
});

test("WS-R10 the first Transition after a reconnect has all results", async () => {
  await send("r10", "hello");
  const connect = async (connectionCount: number, sessionId?: string) => {
    const socket = await RawSocket.open(backend.url, { connectionCount, ...(sessionId && { sessionId }) });
    socket.modify(
      adding(0, "messages:list", { channel: "r10" }),
      adding(1, "messages:total", { channel: "r10" }),
      adding(2, "messages:first", { channel: "r10" }),
    );
    const { modifications } = await socket.transition();
    return { socket, values: modifications.map(({ value }) => value) };
  };
  const first = await connect(0);
  await first.socket[Symbol.asyncDispose]();
  const second = await connect(1, first.socket.sessionId);
  await second.socket[Symbol.asyncDispose]();
  expect(second.values).toEqual(first.values);
  expect(second.values).toEqual([["hello"], 1, "hello"]);
});

test("WS-R11 the same failure again is not sent again", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:alwaysFails", { channel: "r11" });
  await socket.transition();
  await send("r11", "hello");
  const { modifications, startVersion, endVersion } = await socket.transition();
  expect(modifications).toEqual([]);
  expect(endVersion.ts).not.toBe(startVersion.ts);
});

test("WS-R12 equal queries of many clients run once for each commit", async () => {
  const sockets = await Promise.all(Array.from({ length: 20 }, () => RawSocket.open(backend.url)));
  const log = await FunctionLog.open(backend);
  const runs = () =>
    log.seen.filter(({ kind, identifier }) => kind === "Completion" && identifier === "messages:logged").length;
  for (const socket of sockets) socket.add(0, "messages:logged", { channel: "r12" });
  for (const socket of sockets) await socket.shows(0, (value) => value === 0);
  await send("r12", "one");
  for (const socket of sockets) await socket.shows(0, (value) => value === 1);
  await Promise.all(sockets.map((socket) => socket[Symbol.asyncDispose]()));
  await log.until(() => runs() >= 2);
  // A third run would be in the log by the time something later is.
  await new FunctionClient(backend.url).query("messages:any", { channel: "r12" });
  await log.completion("messages:any");
  expect(runs()).toBe(2);
});

test("WS-R13 what was acknowledged over HTTP is in the first result of a socket", async () => {
  for (let i = 1; i <= 20; i++) {
    await send("r13", String(i));
    await using socket = await RawSocket.open(backend.url);
    socket.add(0, "messages:total", { channel: "r13" });
    const { modifications } = await socket.transition();
    expect(modifications[0]?.value).toBe(i);
  }
});
