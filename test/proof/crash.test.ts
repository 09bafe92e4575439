import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../support/backend.ts";
import { type Edits, pushRequest } from "../support/deploy/push-request.ts";
import { FIXTURES } from "../support/paths.ts";
import { Caller } from "../support/proof/caller.ts";
import { Ledger } from "../support/proof/ledger.ts";
import { freshSeed, SeededRandom } from "../support/seeded-random.ts";

/** The whole backend dies without a warning, again and again, on one data directory. */

const APP = join(FIXTURES, "proof-app");
const KILLS = 10;
const CLIENTS = 16;

const data = mkdtempSync(join(tmpdir(), "convection-crash-"));
let backend: TestBackend | undefined;

afterAll(async () => {
  await backend?.kill();
  rmSync(data, { recursive: true, force: true });
});

function seeded(): SeededRandom {
  const seed = freshSeed();
  console.info(`seed ${seed}`);
  return new SeededRandom(seed);
}

test(`CRASH2 ${KILLS} times kill -9 in the middle of load: what was acknowledged is there, whole, and nothing else is`, async () => {
  const random = seeded();
  const ledger = new Ledger();
  let newestTs = 0n;
  let lost = 0;
  backend = await startBackend({ data, app: APP });
  for (let round = 0; round <= KILLS; round++) {
    const caller = new Caller(backend);
    const afterStart = await caller.latestTs();
    expect(afterStart).toBeGreaterThanOrEqual(newestTs);
    newestTs = afterStart;
    ledger.check(await caller.value("query", "work:everything"));
    if (round === KILLS) break;

    let killed = false;
    let answered = 0;
    const enough = Promise.withResolvers<void>();
    // Killed after so many answers, which is a moment in the middle of many calls.
    const killAfter = 20 + random.below(200);
    const clients = Array.from({ length: CLIENTS }, async (_, client) => {
      while (!killed) {
        const path = client % 2 === 0 ? "work:record" : "work:note";
        const kind = await ledger.call(`${round % 3}.${client}`, 1 + random.below(50), (args) =>
          caller.call("mutation", path, args),
        );
        if (kind === "lost") lost += 1;
        else if (++answered === killAfter) enough.resolve();
      }
    });
    const watching = (async () => {
      while (!killed) {
        // Answers of before the kill only: afterwards there are none.
        const ts = await caller.latestTs().catch(() => newestTs);
        expect(ts).toBeGreaterThanOrEqual(newestTs);
        newestTs = ts;
      }
    })();
    await enough.promise;
    killed = true;
    await backend.kill();
    await Promise.all([...clients, watching]);
    backend = await startBackend({ data });
  }
  console.info(
    `${ledger.acknowledged} acknowledged, ${lost} without an answer, ${ledger.foundUnacknowledged} of them stored`,
  );
  expect(ledger.acknowledged).toBeGreaterThan(KILLS * 20);
  expect(lost).toBeGreaterThan(KILLS);
});

/** A new index over everything there is, and a function that reads by it. */
function withIndex(name: string): Edits {
  return {
    "convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema(
  { filler: defineTable({ n: v.number(), text: v.string() }).index("${name}", ["n", "text"]) },
  { schemaValidation: false, strictTableNameValidation: false },
);`,
    "convex/indexed.ts": `import { query } from "./_generated/server";
export default query({ args: {}, handler: async (ctx) => {
  const project = (rows) => rows.map(({ n, _id }) => [n, _id]);
  return {
    index: project(await ctx.db.query("filler").withIndex("${name}").collect()),
    table: project(await ctx.db.query("filler").collect()),
  };
} });`,
  };
}

test("CRASH3 kill -9 in the middle of a push with a back-fill: the old app goes on, and the push succeeds when it is sent again", async () => {
  const random = seeded();
  backend ??= await startBackend({ data, app: APP });
  let caller = new Caller(backend);
  const documents = 8_000;
  for (let from = 0; from < documents; from += 500) {
    await caller.value("mutation", "filler:fill", { from, to: from + 500, bytes: 700 });
  }
  const push = JSON.stringify(await pushRequest("proof-app", withIndex("by_n_0")));
  const hashes = async () => {
    const response = await caller.post("/api/get_config_hashes", { adminKey: backend?.adminKey, version: null });
    return JSON.stringify(((await response.json()) as { moduleHashes: unknown }).moduleHashes);
  };
  const before = await hashes();
  let interrupted = 0;
  let n = documents;
  let uncertain = 0;
  for (let round = 0; round < 3; round++) {
    // An index of its own each time: what the push before has built of another one is abandoned.
    const started = await start(caller, backend, JSON.parse(push.replaceAll("by_n_0", `by_n_${round + 1}`)));
    // The answer comes when all is built, or not at all.
    const waiting = caller
      .post("/api/deploy2/wait_for_schema", { ...started, timeoutMs: 10_000 })
      .then((response) => response.json())
      .then(
        () => "answered",
        () => "lost",
      );
    // Somewhere in the walk, which takes half a second or more: there is no event in the middle of it to wait for.
    await new Promise((resolve) => setTimeout(resolve, 20 + random.below(300)));
    const writing = caller.call("mutation", "filler:fill", { from: n, to: n + 1, bytes: 10 });
    await backend.kill();
    uncertain += (await writing).kind === "ok" ? 0 : 1;
    n += 1;
    if ((await waiting) === "lost") interrupted += 1;
    backend = await startBackend({ data });
    caller = new Caller(backend);
    expect(await hashes()).toBe(before);
    expect(await caller.call("query", "indexed:default", {})).toMatchObject({ kind: "failed" });
    const { length } = await caller.value<number[]>("query", "filler:table");
    expect(length).toBeGreaterThanOrEqual(n - uncertain);
    [n, uncertain] = [length, 0];
  }
  expect(interrupted).toBeGreaterThan(0);

  const started = await start(caller, backend, JSON.parse(push));
  for (;;) {
    const response = await caller.post("/api/deploy2/wait_for_schema", { ...started, timeoutMs: 10_000 });
    const status = (await response.json()) as { type: string };
    if (status.type === "complete") break;
    expect(status.type).toBe("inProgress");
  }
  const finished = await caller.post("/api/deploy2/finish_push", {
    adminKey: backend.adminKey,
    startPush: { schemaChange: started.schemaChange },
    dryRun: false,
    message: null,
  });
  expect(finished.status).toBe(200);
  const { index, table } = await caller.value<{ index: [number, string][]; table: [number, string][] }>(
    "query",
    "indexed:default",
  );
  expect(table).toHaveLength(n);
  expect(index.map(([n]) => n)).toEqual(index.map(([n]) => n).toSorted((a, b) => a - b));
  expect(index.map(([, id]) => id).toSorted()).toEqual(table.map(([, id]) => id).toSorted());
});

/** The first request of a push; its answer is what the others echo. */
async function start(caller: Caller, { adminKey }: TestBackend, push: object) {
  const response = await caller.post("/api/deploy2/start_push", { ...push, adminKey, dryRun: false });
  expect(response.status).toBe(200);
  const { schemaChange } = (await response.json()) as { schemaChange: object };
  return { adminKey, schemaChange, dryRun: false };
}
