import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConvexClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { afterAll, expect, test } from "vitest";
import { FunctionClient } from "../support/function-client.ts";
import { FIXTURES } from "../support/paths.ts";
import { ProofBackend } from "../support/proof/proof-worker.ts";
import { freshSeed, SeededRandom } from "../support/seeded-random.ts";
import { Updates } from "../support/updates.ts";

/** Official clients under load, while sockets are cut, objects lose their memory and the whole backend dies. */

const CLIENTS = 8;
const MUTATIONS = 60;
const CHAOS = 14;
const SHARDS = 2;

const list = makeFunctionReference<"query", { channel: string }, string[]>("messages:list");
const both = makeFunctionReference<"query", { channel: string }, { messages: number; total: number }>("messages:both");
const send = makeFunctionReference<"mutation", { channel: string; body: string }, string>("messages:send");

const data = mkdtempSync(join(tmpdir(), "convection-chaos-"));
let backend: ProofBackend | undefined;

afterAll(async () => {
  await backend?.backend.kill();
  rmSync(data, { recursive: true, force: true });
});

test("CHAOS1 P-R-4 every client ends with the right state, each mutation applied once and in order", async () => {
  const seed = freshSeed();
  console.info(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const env = { CONVECTION_SYNC_SHARDS: String(SHARDS) };
  backend = await ProofBackend.start({ data, env }, join(FIXTURES, "sync-app"));
  const { url, siteUrl } = backend.backend;
  const args = [`--port=${new URL(url).port}`, `--site-port=${new URL(siteUrl).port}`];

  const half: string[] = [];
  const back: string[] = [];
  /** What a client was shown once is never taken back from it, whatever it reconnects to. */
  const growing = (whose: string, updates: Updates<string[]>) => {
    let before: string[] = [];
    return (value: string[]) => {
      const now = new Set(value);
      if (now.size !== value.length) back.push(`${whose} shows ${value.join()}`);
      if (before.some((body) => !now.has(body))) back.push(`${whose} shows ${value.join()} after ${before.join()}`);
      before = value;
      updates.add(value);
    };
  };
  const clients = Array.from({ length: CLIENTS }, (_, id) => {
    const client = new ConvexClient(url, { skipConvexDeploymentUrlCheck: true, logger: false });
    const own = new Updates<string[]>();
    const all = new Updates<string[]>();
    client.onUpdate(list, { channel: `own ${id}` }, growing(`own ${id}`, own));
    client.onUpdate(list, { channel: "all" }, growing(`all of ${id}`, all));
    client.onUpdate(both, { channel: "all" }, ({ messages, total }) => {
      if (messages !== total) half.push(`${messages} of ${total}`);
    });
    return { id, client, own, all };
  });

  let acknowledged = 0;
  const waiting: { readonly at: number; readonly resolve: () => void }[] = [];
  const acknowledge = () => {
    acknowledged += 1;
    for (const { at, resolve } of waiting) if (acknowledged >= at) resolve();
  };
  const load = clients.map(async ({ id, client }) => {
    for (let n = 0; n < MUTATIONS; n += 2) {
      await Promise.all(
        [`${id}/${n}`, `${id}/${n + 1}`].map(async (body, i) => {
          await client.mutation(send, { channel: i === 0 ? `own ${id}` : "all", body });
          acknowledge();
        }),
      );
    }
  });

  const total = CLIENTS * MUTATIONS;
  for (let round = 1; round <= CHAOS; round++) {
    const at = Math.floor((total * round) / (CHAOS + 1));
    await new Promise<void>((resolve) => {
      if (acknowledged >= at) resolve();
      else waiting.push({ at, resolve });
    });
    if (round % 7 === 3) {
      await backend.backend.kill();
      backend = await ProofBackend.start({ data, args, env }, null);
    } else if (round % 7 === 0 || round % 7 === 5) {
      await backend.evict("TRANSACTOR");
    } else if (round % 2 === 0) {
      await backend.evict("SYNC", random.below(SHARDS));
    } else {
      for (const { client } of clients) if (random.chance(0.5)) cut(client);
    }
  }
  await Promise.all(load);
  expect(acknowledged).toBe(total);

  const http = new FunctionClient(url);
  const stored = await http.query<string[]>("messages:list", { channel: "all" });
  expect(stored.toSorted()).toEqual(
    clients.flatMap(({ id }) => numbers((n) => n % 2 === 1).map((n) => `${id}/${n}`)).toSorted(),
  );
  for (const { id, own, all } of clients) {
    const mine = numbers((n) => n % 2 === 0).map((n) => `${id}/${n}`);
    expect(await http.query("messages:list", { channel: `own ${id}` })).toEqual(mine);
    expect(await own.until((value) => value.length >= mine.length)).toEqual(mine);
    expect(await all.until((value) => value.length >= stored.length)).toEqual(stored);
    expect(stored.filter((body) => body.startsWith(`${id}/`))).toEqual(
      numbers((n) => n % 2 === 1).map((n) => `${id}/${n}`),
    );
  }
  expect(half).toEqual([]);
  expect(back).toEqual([]);
  // Everybody was cut off. How often depends on how long a client waits before it connects again: several blows may
  // fall into one pause.
  for (const { client } of clients) expect(client.connectionState().connectionCount).toBeGreaterThan(1);
  await Promise.all(clients.map(({ client }) => client.close()));
});

function numbers(wanted: (n: number) => boolean): number[] {
  return Array.from({ length: MUTATIONS }, (_, n) => n).filter(wanted);
}

/** As a network would. */
function cut(client: ConvexClient): void {
  const inner = client.client as unknown as { webSocketManager: { socket: { ws?: WebSocket } } };
  inner.webSocketManager.socket.ws?.close();
}
