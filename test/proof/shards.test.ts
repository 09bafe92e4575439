import { afterAll, beforeAll, expect, test } from "vitest";
import { join } from "node:path";
import { FunctionClient } from "../support/function-client.ts";
import { FIXTURES } from "../support/paths.ts";
import { ProofBackend } from "../support/proof/proof-worker.ts";
import { adding, decodeTs, RawSocket } from "../support/raw-socket.ts";

/** Several Sync objects share the sockets of one deployment. Which one a socket is on is left to chance. */

const SHARDS = 3;
const SHARD_NAMES = Array.from({ length: SHARDS }, (_, shard) => `sync-${shard}`);
const RETENTION_MS = 3000;

let proof: ProofBackend;
let http: FunctionClient;
let sockets: RawSocket[] = [];

beforeAll(async () => {
  const env = { CONVECTION_SYNC_SHARDS: String(SHARDS), CONVECTION_RETENTION_MS: String(RETENTION_MS) };
  proof = await ProofBackend.start({ env }, join(FIXTURES, "sync-app"));
  http = new FunctionClient(proof.backend.url);
  while (!(await proof.sockets(SHARDS)).every((count) => count >= 2)) sockets.push(await watching());
});
afterAll(async () => {
  for (const socket of sockets) socket.close();
  await proof?.[Symbol.asyncDispose]();
});

async function watching(options: { readonly sessionId?: string; readonly connectionCount?: number } = {}) {
  const socket = await RawSocket.open(proof.backend.url, options);
  socket.modify(adding(0, "messages:list", { channel: "all" }));
  await socket.transition();
  return socket;
}

/** Resolves when the client shows the body; fails if it ever shows something else than a beginning of the list. */
function shows(socket: RawSocket, body: string): Promise<unknown> {
  return socket.shows(0, (value) => (value as string[]).includes(body));
}

async function everybodyShows(body: string): Promise<void> {
  await Promise.all(sockets.map((socket) => shows(socket, body)));
}

test("SHARD1 P-R-1 every shard is given each commit once and in order, and every socket ends with all of them", async () => {
  const [writer] = sockets;
  if (writer === undefined) throw new Error("there are sockets");
  const bodies = Array.from({ length: 40 }, (_, i) => `m${i}`);
  for (const [requestId, body] of bodies.entries()) writer.mutate(requestId, "messages:send", { channel: "all", body });
  const committed: number[] = [];
  for (const requestId of bodies.keys()) {
    const { ts } = await writer.response(requestId);
    committed.push(Number(decodeTs(ts) / 1000n));
  }
  await everybodyShows("m39");
  for (const socket of sockets) expect(socket.value(0)).toEqual(bodies);
  const { delivered } = await proof.until(
    () => proof.controls(),
    ({ delivered }) => SHARD_NAMES.every((name) => delivered[name]?.includes(committed.at(-1) ?? 0)),
  );
  for (const name of SHARD_NAMES) {
    expect(applied(delivered[name] ?? []).filter((ts) => ts >= (committed[0] ?? 0))).toEqual(committed);
  }
});

/** A shard may ask the log for what a push brings too; it takes what is newer than all it has. */
function applied(delivered: readonly number[]): number[] {
  const taken: number[] = [];
  for (const ts of delivered) if (ts > (taken.at(-1) ?? 0)) taken.push(ts);
  return taken;
}

test("SHARD2 a shard that dies takes its own sockets along, which come back with nothing lost", async () => {
  const before = await proof.sockets(SHARDS);
  const closed = new Set<RawSocket>();
  for (const socket of sockets) void socket.closed.then(() => closed.add(socket));
  await proof.evict("SYNC", 1);
  await proof.until(
    () => Promise.resolve(closed.size),
    (size) => size === before[1],
  );
  await http.mutation("messages:send", { channel: "all", body: "missed" });
  const stayed = sockets.filter((socket) => !closed.has(socket));
  await Promise.all(stayed.map((socket) => shows(socket, "missed")));
  expect(closed.size).toBe(before[1]);
  const back = await Promise.all([...closed].map(({ sessionId }) => watching({ sessionId, connectionCount: 1 })));
  for (const socket of back) expect(socket.value(0)).toEqual(stayed[0]?.value(0));
  sockets = [...stayed, ...back];
  while (!(await proof.sockets(SHARDS)).every((count) => count >= 2)) sockets.push(await watching());
  await http.mutation("messages:send", { channel: "all", body: "seen again" });
  await everybodyShows("seen again");
});

test("SHARD3 a shard that a push did not reach reads what it missed from the commit log", async () => {
  await proof.controls({ lostPushes: { "sync-0": 1, "sync-2": 1 } });
  await http.mutation("messages:send", { channel: "all", body: "lost on the way" });
  await http.mutation("messages:send", { channel: "all", body: "pushed" });
  await everybodyShows("pushed");
  for (const socket of sockets) expect((socket.value(0) as string[]).slice(-2)).toEqual(["lost on the way", "pushed"]);
  const { lostPushes } = await proof.controls();
  expect(lostPushes).toEqual({ "sync-0": 0, "sync-2": 0 });
});

test("SHARD4 a new Transactor tells all shards, though none has asked it to", async () => {
  await proof.evict("TRANSACTOR");
  await http.mutation("messages:send", { channel: "all", body: "by another" });
  await everybodyShows("by another");
});

test("SHARD5 what the log has no more is made up for by running every query again", async () => {
  await proof.controls({ lostPushes: { "sync-0": 1_000_000 } });
  await http.mutation("messages:send", { channel: "all", body: "forgotten" });
  const [head] = await proof.sql("SELECT ts FROM head");
  const written = Number(head?.["ts"]);
  await proof.until(
    async () => {
      // Writes alone move the window.
      await http.mutation("messages:send", { channel: "elsewhere", body: "x" });
      const [row] = await proof.sql("SELECT retained_from AS n FROM head");
      return Number(row?.["n"]);
    },
    (edge) => edge > written,
  );
  await proof.controls({ lostPushes: {} });
  await http.mutation("messages:send", { channel: "elsewhere", body: "pushed" });
  await everybodyShows("forgotten");
});

test("SHARD6 a shard without memory finds in the log what no push told it, and closes when it counts no more", async () => {
  // Nobody says anything from here on: all shards fall asleep, and their alarms find that nothing was missed.
  const { lives } = await proof.controls();
  const begun = (name: string) => (asked: { readonly lives: Readonly<Record<string, number>> }) =>
    (asked.lives[name] ?? 0) > (lives[name] ?? 0);
  await proof.until(
    () => proof.controls(),
    (asked) => SHARD_NAMES.every((name) => begun(name)(asked)),
  );
  await proof.controls({ lostPushes: { "sync-0": 1, "sync-1": 1, "sync-2": 1 } });
  await http.mutation("messages:send", { channel: "all", body: "while asleep" });
  await everybodyShows("while asleep");
  await proof.backend.process.until("stderr", /"sync\.restored"/);

  const counts = await proof.sockets(SHARDS);
  const closed: number[] = [];
  for (const socket of sockets) void socket.closed.then(({ code }) => closed.push(code));
  await proof.controls({ syncShards: 1 });
  await proof.until(
    () => Promise.resolve(closed.length),
    (length) => length === (counts[1] ?? 0) + (counts[2] ?? 0),
  );
  expect(new Set(closed)).toEqual(new Set([1012]));
  await http.mutation("messages:send", { channel: "all", body: "one shard left" });
  const left = sockets.filter((socket) => socket.open);
  expect(left).toHaveLength(counts[0] ?? 0);
  await Promise.all(left.map((socket) => shows(socket, "one shard left")));
});
