import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";
import { adding, encodeTs, RawSocket, ZERO_TS } from "../../support/raw-socket.ts";

/** `wire.md` §8.2 in raw frames. `RawSocket` checks the chain of versions in all of them (WS-S6). */

let backend: TestBackend;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "sync-app") });
});
afterAll(() => backend.stop());

test("WS-S1 an empty query set is answered with one Transition from zero", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.modify();
  const { startVersion, endVersion, modifications, clientClockSkew, serverTs } = await socket.transition();
  expect(startVersion).toEqual({ querySet: 0, identity: 0, ts: ZERO_TS });
  expect(endVersion).toMatchObject({ querySet: 1, identity: 0 });
  expect(endVersion.ts).not.toBe(ZERO_TS);
  expect(modifications).toEqual([]);
  expect(Number.isInteger(clientClockSkew)).toBe(true);
  expect(Math.abs(serverTs / 1e6 - Date.now())).toBeLessThan(60_000);
});

test("WS-S2 clients of the Rust core connect to /api/sync, with a clock of zero", async () => {
  await using socket = await RawSocket.open(backend.url, {
    path: "/api/sync",
    headers: { "Convex-Client": "rust-0.10.4" },
    connect: false,
  });
  socket.connect({ clientTs: 0 });
  socket.modify();
  const { clientClockSkew } = await socket.transition();
  expect(clientClockSkew).toBeLessThan(-1e12);
  expect(Number.isInteger(clientClockSkew)).toBe(true);
});

test("WS-S3 a version that is none is refused with 400 on upgrade, and so is a plain GET", async () => {
  for (const path of ["/api/abc/sync", "/api/1.48.0/sync"]) {
    const response = await fetch(new URL(path, backend.url));
    expect(response.status).toBe(400);
    await response.text();
  }
  await expect(RawSocket.open(backend.url, { path: "/api/abc/sync" })).rejects.toThrow("refused");
});

test("WS-S4 two queries added in one message come in one Transition", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.modify(adding(0, "messages:list", { channel: "s4" }), adding(1, "messages:any", { channel: "s4" }));
  const { modifications } = await socket.transition();
  expect(modifications).toEqual([
    { type: "QueryUpdated", queryId: 0, value: [], logLines: [], journal: null },
    { type: "QueryUpdated", queryId: 1, value: false, logLines: [], journal: null },
  ]);
});

test("WS-S5 five changes of the query set in a burst leave the chain unbroken", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.modify();
  for (let i = 0; i < 5; i++) socket.add(i, "messages:list", { channel: `s5 ${i}` });
  const { endVersion } = await socket.transition(({ endVersion: { querySet } }) => querySet === 6);
  expect(endVersion.querySet).toBe(6);
  for (let i = 0; i < 5; i++) expect(socket.value(i)).toEqual([]);
});

test("WS-S7 a removed query is answered with QueryRemoved and never updated again", async () => {
  const http = new FunctionClient(backend.url);
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:list", { channel: "s7" });
  socket.add(1, "messages:total", { channel: "s7" });
  await socket.shows(1, (value) => value === 0);
  socket.remove(0);
  const { modifications } = await socket.transition(({ endVersion: { querySet } }) => querySet === 3);
  expect(modifications).toEqual([{ type: "QueryRemoved", queryId: 0 }]);
  await http.mutation("messages:send", { channel: "s7", body: "later" });
  const update = await socket.transition(({ modifications: { length } }) => length > 0);
  expect(update.modifications.map(({ queryId }) => queryId)).toEqual([1]);
});

test("WS-S8 a query added and removed before any Transition is never mentioned", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.modify(adding(0, "messages:list", { channel: "s8" }), { type: "Remove", queryId: 0 });
  const { endVersion, modifications } = await socket.transition();
  expect(endVersion.querySet).toBe(1);
  expect(modifications).toEqual([]);
});

test("WS-S9 a client that never sent Connect is served", async () => {
  await using socket = await RawSocket.open(backend.url, { connect: false });
  socket.authenticate({ tokenType: "None" });
  socket.add(0, "messages:list", { channel: "s9" });
  socket.mutate(0, "messages:send", { channel: "s9", body: "hello" });
  expect(await socket.response(0)).toMatchObject({ success: true });
  await socket.shows(0, (value) => JSON.stringify(value) === '["hello"]');
  expect(socket.version.identity).toBe(1);
});

test("WS-S10 a first change of the query set that skips one closes the socket retriably", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.send({ type: "ModifyQuerySet", baseVersion: 1, newVersion: 2, modifications: [] });
  expect(await socket.closed).toEqual({ code: 1013, reason: "BaseVersionMismatch" });
});

test.for([
  ["not JSON", "{"],
  ["an unknown type", '{"type":"Subscribe"}'],
  ["a mutation without arguments", '{"type":"Mutation","requestId":0,"udfPath":"messages:nothing"}'],
  ["arrays nested a million deep", "[".repeat(1_000_000)],
] as const)("WS-S11 %s ends the client with a FatalError", async ([, frame]) => {
  await using socket = await RawSocket.open(backend.url);
  socket.send(frame);
  expect(await socket.next()).toMatchObject({
    type: "FatalError",
    error: expect.stringMatching(/^WSMessageInvalidJson/),
  });
  expect((await socket.closed).code).toBe(1005);
});

test("WS-S11 binary frames close with 1011", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.sendBinary();
  expect((await socket.closed).code).toBe(1011);
});

test("WS-S12 events are ignored, before and after Connect", async () => {
  await using socket = await RawSocket.open(backend.url, { connect: false });
  socket.send({ type: "Event", eventType: "ClientConnect", event: [{ name: "x", startTime: 1 }] });
  socket.connect();
  socket.send({ type: "Event", eventType: "NetworkRecoveryReconnect", event: { timeSavedMs: 12 } });
  socket.modify();
  expect((await socket.transition()).endVersion.querySet).toBe(1);
});

test("WS-S13 a client that has seen the future is closed and gets no old data", async () => {
  await using socket = await RawSocket.open(backend.url, { connect: false });
  const future = BigInt(Date.now() + 3_600_000) * 1_000_000n;
  socket.connect({ connectionCount: 1, maxObservedTimestamp: encodeTs(future) });
  socket.add(0, "messages:list", { channel: "s13" });
  expect((await socket.closed).code).toBe(1011);
  expect(socket.transitions).toBe(0);
  await using silent = await RawSocket.open(backend.url, { connect: false });
  silent.connect({ connectionCount: 1, maxObservedTimestamp: encodeTs(future) });
  expect((await silent.closed).code).toBe(1011);
});

test("WS-S14 any reason for the last close is accepted", async () => {
  for (const lastCloseReason of [null, undefined, "x".repeat(10_000)]) {
    await using socket = await RawSocket.open(backend.url, { connect: false });
    socket.connect({ lastCloseReason });
    socket.modify();
    expect((await socket.transition()).endVersion.querySet).toBe(1);
  }
});

test("WS-S15 an idle socket is pinged", async () => {
  await using socket = await RawSocket.open(backend.url);
  const opened = Date.now();
  await socket.ping();
  expect(Date.now() - opened).toBeLessThan(26_000);
});

test("WS-S17 WS-S19 a result beyond 5 MB comes in chunks that are put together equal, with no answer in between", async () => {
  await using socket = await RawSocket.open(backend.url);
  socket.add(0, "messages:large", { length: 8_000_000 });
  socket.mutate(0, "messages:nothing");
  const chunks: string[] = [];
  let totalParts = Infinity;
  let answered = false;
  for (;;) {
    const frame = await socket.next();
    if (frame.type !== "TransitionChunk") {
      expect(chunks).toEqual([]);
      answered ||= frame.type === "MutationResponse";
      continue;
    }
    chunks.push(String(frame["chunk"]));
    expect(frame["partNumber"]).toBe(chunks.length - 1);
    totalParts = Number(frame["totalParts"]);
    if (chunks.length === totalParts) break;
  }
  while (!answered) answered = (await socket.next()).type === "MutationResponse";
  expect(totalParts).toBeGreaterThan(1);
  for (const chunk of chunks) {
    expect(Buffer.byteLength(chunk)).toBeLessThanOrEqual(5_000_000);
    expect(chunk.isWellFormed()).toBe(true);
  }
  const { modifications } = JSON.parse(chunks.join("")) as { modifications: { value: string }[] };
  expect(modifications[0]?.value).toBe(`${"x".repeat(98)}😀`.repeat(80_000));
});

test("WS-S18 a client that can't put chunks together gets one frame", async () => {
  for (const options of [
    { path: "/api/1.27.0/sync" },
    { path: "/api/sync", headers: { "Convex-Client": "rust-0.10.4" } },
  ]) {
    await using socket = await RawSocket.open(backend.url, options);
    socket.add(0, "messages:large", { length: 6_000_000 });
    const { modifications } = await socket.transition();
    expect(String(modifications[0]?.value)).toHaveLength(60_000 * 100);
  }
});
