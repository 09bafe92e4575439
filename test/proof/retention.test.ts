import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Caller } from "../support/proof/caller.ts";
import { ProofBackend } from "../support/proof/proof-worker.ts";

/** A retention window of one second. Alarms, clean-up and D1 are the real ones. */

const env = { CONVECTION_RETENTION_MS: "1000" };
const data = mkdtempSync(join(tmpdir(), "convection-retention-"));
let proof: ProofBackend;
let caller: Caller;

beforeAll(async () => {
  proof = await ProofBackend.start({ data, env });
  caller = new Caller(proof.backend);
});

afterAll(async () => {
  await proof?.[Symbol.asyncDispose]();
  rmSync(data, { recursive: true, force: true });
});

async function rows(table: string): Promise<number> {
  const [row] = await proof.sql(`SELECT count(*) AS n FROM ${table}`);
  return Number(row?.["n"]);
}

/** Microseconds. */
async function retainedFrom(): Promise<number> {
  const [row] = await proof.sql("SELECT retained_from AS n FROM head");
  return Number(row?.["n"]);
}

/** Rows of all versions of everything, and of the log. */
async function sizes(): Promise<{ documents: number; entries: number; log: number }> {
  return {
    documents: await rows("documents"),
    entries: await rows("index_entries"),
    log: await rows("commits"),
  };
}

async function queryAtTs(ts: string): Promise<Response> {
  return caller.post("/api/query_at_ts", { path: "filler:table", args: {}, ts, format: "json" });
}

async function wireTs(): Promise<string> {
  const response = await caller.post("/api/query_ts", {});
  return ((await response.json()) as { ts: string }).ts;
}

test("RET1 old versions, tombstones and the log leave D1 once no snapshot needs them", async () => {
  await caller.value("mutation", "bank:open", { names: ["x", "y"], balance: 50 });
  await caller.value("mutation", "filler:fill", { from: 0, to: 10, bytes: 10 });
  const before = await sizes();
  for (let n = 0; n < 40; n++) {
    // Both balances change, and with them one index entry each.
    const [from, to] = n % 2 === 0 ? ["x", "y"] : ["y", "x"];
    expect(await caller.value("mutation", "bank:transfer", { from, to, amount: 1 })).toBe(true);
  }
  const live = { documents: before.documents, entries: before.entries };
  const after = await proof.until(sizes, ({ documents, entries }) => {
    return documents === live.documents && entries === live.entries;
  });
  // Of the log only what is at the newest snapshot is left.
  expect(after.log).toBeLessThanOrEqual(1);
  expect(await caller.value("query", "bank:balances")).toEqual({
    table: [50, 50],
    byName: [50, 50],
    byBalance: [50, 50],
  });
});

test("RET2 a timestamp older than the window is refused with an error that says so and may be tried again", async () => {
  const ts = await wireTs();
  const fresh = await queryAtTs(ts);
  expect(fresh.status).toBe(200);
  await caller.value("mutation", "filler:touch", { times: 1 });
  const micros = Number(Buffer.from(ts, "base64").readBigUInt64LE() / 1000n);
  await proof.until(retainedFrom, (edge) => edge > micros);
  const old = await queryAtTs(ts);
  expect(old.status).toBe(503);
  expect(await old.json()).toEqual({
    code: "OutOfRetention",
    message:
      "This query reads the database as it was at a time whose versions are no longer kept. Run it again at a newer timestamp.",
  });
  expect((await queryAtTs(await wireTs())).status).toBe(200);
});

test("RET3 a query that runs longer than the window ends with a retryable error, never with a mixture", async () => {
  // The catalog, the snapshot and a few documents; what comes then has to wait.
  await proof.controls({ letThrough: 6 });
  const running = caller.call("query", "filler:oneByOne", { limit: 10 });
  await proof.until(
    () => proof.controls(),
    ({ heldReads }) => heldReads > 0,
  );
  const [row] = await proof.sql("SELECT ts AS n FROM head");
  for (let n = 0; n < 10; n++) await caller.value("mutation", "filler:touch", { times: 1 });
  await proof.until(retainedFrom, (edge) => edge > Number(row?.["n"]));
  await proof.controls({ letThrough: 1_000_000 });
  expect(await running).toEqual({ kind: "refused", status: 503, code: "OutOfRetention", unknown: false });
  expect(await caller.value<number[]>("query", "filler:oneByOne", { limit: 10 })).toHaveLength(10);
});

test("TXR7 clean-up goes on after a crash", async () => {
  const before = (await sizes()).documents;
  for (let n = 0; n < 20; n++) await caller.value("mutation", "filler:touch", { times: 1 });
  await proof.backend.kill();
  const restarted = await ProofBackend.start({ data, env }, null);
  await proof[Symbol.asyncDispose]();
  proof = restarted;
  caller = new Caller(proof.backend);
  await caller.value("mutation", "filler:touch", { times: 1 });
  await proof.until(sizes, ({ documents }) => documents <= before);
});
