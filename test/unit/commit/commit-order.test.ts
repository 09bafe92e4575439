import { expect, test } from "vitest";
import type { MutationJob } from "../../../src/engine/commit/mutation-runner.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { CommitWorld, id, increment, MemoryMark } from "../../support/commit-world.ts";
import { SimpleTransaction } from "../../support/simple-transaction.ts";

test("S0-14 an answer means stored: it comes after the commit that holds it", async () => {
  const world = new CommitWorld({ script: { delay: () => 5 } });
  const { ts } = await world.mutate("add", (tx) => increment(tx, id(1)));
  expect(world.store.head.ts).toBe(ts);
  expect(world.published.map((transaction) => transaction.ts)).toEqual([ts]);
});

test("S0-15 a transaction that read what is not durable yet is answered after it is", async () => {
  const world = new CommitWorld({ script: { delay: () => 5 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  const write = world.start("add", (tx) => increment(tx, id(1)));
  await world.time.settle();
  while (world.runner.counts.commits < 2 && world.time.fireNext()) await world.time.settle();
  let stored: unknown = null;
  const read = world
    .start("read", (tx) => tx.get("counters", id(1)))
    .then((answer) => {
      stored = [...world.store.documents.values()].map(({ json }) => JSON.parse(json));
      return answer;
    });
  await world.time.settle();
  expect(stored).toBe(null);
  expect((await world.time.until(read)).value).toEqual({ n: 2 });
  expect(stored).toEqual([{ n: 2 }]);
  await write;
});

test("OCC3 the failure of a function whose reads are stale is not reported: it runs again", async () => {
  const world = new CommitWorld({ script: { delay: () => 1 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  let runs = 0;
  const job: MutationJob = {
    functionName: "failIfOne",
    idempotency: null,
    execute: async (begin) => {
      runs += 1;
      const tx = new SimpleTransaction(begin);
      const before = await tx.get("counters", id(1));
      if (runs === 1) await world.start("add", (other) => increment(other, id(1)));
      const ok = before?.["n"] !== 1;
      return { ok, effects: tx.effects(), answer: () => JSON.stringify({ ok }) };
    },
  };
  expect(await world.time.until(world.runner.run(job))).toBe('{"ok":true}');
  expect(runs).toBe(2);
});

test("OCC4 a transaction whose begin was evicted from the log does not commit", async () => {
  const world = new CommitWorld({ settings: { memoryBytes: 4_000 }, script: { delay: () => 1 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  let runs = 0;
  const slow = world.start("slow", async (tx) => {
    runs += 1;
    const before = await tx.get("counters", id(1));
    if (runs === 1) {
      await world.start("add", (other) => increment(other, id(1)));
      // Pushes the write to document 1 out of the log.
      for (let i = 0; i < 30; i++) await world.start("fill", (other) => increment(other, id(100 + i)));
    }
    tx.insert("copies", id(1), { n: before?.["n"] ?? 0 });
    return before?.["n"];
  });
  expect((await world.time.until(slow)).value).toBe(2);
  expect(runs).toBe(2);
});

test("TS1 timestamps never go back: not with the clock, not with a restored database", async () => {
  const world = new CommitWorld();
  const seen: number[] = [];
  for (let i = 0; i < 5; i++) seen.push((await world.mutate("add", (tx) => increment(tx, id(1)))).ts);
  expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => a - b));
  const mark = new MemoryMark();
  const issued = (seen.at(-1) ?? 0) + 60_000_000;
  mark.mark = issued as Timestamp;
  // An empty database stands for one that was restored to an earlier state.
  const restored = new CommitWorld({ time: world.time, mark });
  expect((await restored.mutate("add", (tx) => increment(tx, id(1)))).ts).toBeGreaterThan(issued);
});

test("TS2 an acknowledged timestamp is covered by the stored mark, which is written about once per second", async () => {
  const world = new CommitWorld({ script: { delay: () => 1 } });
  for (let i = 0; i < 100; i++) {
    const { ts } = await world.mutate("add", (tx) => increment(tx, id(1)));
    expect(world.mark.mark).toBeGreaterThanOrEqual(ts);
    await world.time.until(world.time.sleep(20));
  }
  expect(world.mark.stores).toBeLessThan(8);
});

test("CAT1 two mutations that create the same table: one creates it, the other runs again and uses it", async () => {
  const world = new CommitWorld({ script: { delay: () => 1 } });
  const create = (n: number) =>
    world.start(`create${n}`, async (tx) => {
      const { number } = tx.table("things");
      await world.time.sleep(1);
      tx.insert("things", id(n), { n });
      return number;
    });
  const answers = await world.time.until(Promise.all([create(1), create(2), create(3)]));
  expect(answers.map(({ value }) => value)).toEqual([10_001, 10_001, 10_001]);
  expect(world.store.tables.size).toBe(1);
  expect([...world.store.indexes.values()].map(({ name, state }) => [name, state])).toEqual([
    ["by_creation_time", "enabled"],
  ]);
  expect(world.store.documents.size).toBe(3);
  expect(world.store.head.catalogTs).toBe(Math.min(...answers.map(({ ts }) => ts)));
});

test("CAT2 a change of the catalog applies only to the catalog it was made for", async () => {
  const world = new CommitWorld();
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  const line = await world.life.current();
  const stale = line.state.catalog.ts;
  const set = (value: string) => ({ expectedCatalogTs: stale, change: { values: [{ key: "app", value }] } });
  const result = await world.time.until(line.commitCatalog(set("first")));
  expect(result).toEqual({ ok: true, ts: world.store.head.catalogTs });
  expect(await world.time.until(line.commitCatalog(set("second")))).toEqual({ ok: false, reason: "catalogChanged" });
  expect(world.store.values.get("app")).toBe("first");
});

test("CAT3 a change that needs tables unwritten since a time is refused after a write to one of them", async () => {
  const world = new CommitWorld();
  const { ts } = await world.mutate("setup", (tx) => increment(tx, id(1)));
  const line = await world.life.current();
  const table = line.state.catalog.table("", "counters");
  if (table === undefined) throw new Error("No table");
  const commit = () =>
    world.time.until(
      line.commitCatalog({
        expectedCatalogTs: line.state.catalog.ts,
        change: { values: [{ key: "app", value: 1 }] },
        unwrittenSince: { ts: ts as Timestamp, tables: [table.id] },
      }),
    );
  expect(await commit()).toMatchObject({ ok: true });
  await world.mutate("add", (tx) => increment(tx, id(1)));
  expect(await commit()).toEqual({ ok: false, reason: "documentsChanged" });
});

test("CAT4 a transaction that began under an older catalog runs again under the new one", async () => {
  const world = new CommitWorld({ script: { delay: () => 1 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  const line = await world.life.current();
  const seen: unknown[] = [];
  const job: MutationJob = {
    functionName: "f",
    idempotency: null,
    execute: async (begin) => {
      seen.push(begin.catalog.values.get("app") ?? null);
      const tx = new SimpleTransaction(begin);
      await world.time.sleep(10);
      await increment(tx, id(2));
      return { ok: true, effects: tx.effects(), answer: (ts) => `${ts}` };
    },
  };
  const running = world.runner.run(job);
  await world.time.settle();
  const change = { values: [{ key: "app", value: "v2" }] };
  await world.time.until(line.commitCatalog({ expectedCatalogTs: line.state.catalog.ts, change }));
  await world.time.until(running);
  expect(seen).toEqual([null, "v2"]);
});

test("CAT5 rows whose ids or names are taken by others are refused", async () => {
  const world = new CommitWorld();
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  const line = await world.life.current();
  const table = line.state.catalog.table("", "counters");
  if (table === undefined) throw new Error("No table");
  for (const row of [
    { ...table, component: "other" },
    { ...table, id: (table.id + 1) as typeof table.id },
    { ...table, id: (table.id + 1) as typeof table.id, name: "different" },
  ]) {
    const change = { upsertTables: [row] };
    const result = line.commitCatalog({ expectedCatalogTs: line.state.catalog.ts, change });
    expect(await world.time.until(result)).toEqual({ ok: false, reason: "catalogChanged" });
  }
});

test("COMMIT5 documents and keys that come and go inside a group are not stored", async () => {
  const world = new CommitWorld({ script: { delay: () => 5 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  const blocker = world.start("a", (tx) => increment(tx, id(2)));
  await world.time.settle();
  while (world.runner.counts.commits < 2 && world.time.fireNext()) await world.time.settle();
  const insert = world.start("b", async (tx) => tx.insert("counters", id(3), { n: 1 }));
  await world.time.settle();
  const remove = world.start("c", (tx) => tx.put("counters", id(3), null));
  await world.time.until(Promise.all([blocker, insert, remove]));
  const last = world.store.batches.at(-1);
  expect(last?.documents).toEqual([]);
  expect(last?.entries).toEqual([]);
  expect(last?.transactions).toHaveLength(2);
});

test("E-C-7 calls beyond the queue are refused, calls that wait too long expire", async () => {
  const world = new CommitWorld({ settings: { maxConcurrent: 1, maxQueued: 2, queueTimeoutMs: 100 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  const stuck = world.start("stuck", async (tx) => {
    await world.time.sleep(1_000);
    return tx.get("counters", id(1));
  });
  await world.time.settle();
  const rest = Array.from({ length: 3 }, () => world.start("add", (tx) => increment(tx, id(1))));
  const [first, second, third] = await world.time.until(Promise.allSettled(rest));
  const waited = {
    status: "rejected",
    reason: {
      errorClass: "RateLimited",
      code: "TooManyConcurrentRequests",
      message: "Too many concurrent requests. Your backend is limited to 1 concurrent mutations.",
    },
  };
  expect(first).toMatchObject(waited);
  expect(second).toMatchObject(waited);
  expect(third).toMatchObject({ status: "rejected", reason: { errorClass: "Overloaded", code: "ExecuteFullError" } });
  await world.time.until(stuck);
  expect((await world.mutate("add", (tx) => increment(tx, id(1)))).value).toBe(2);
  expect(world.time.pending).toBe(0);
});

test("E-C-11 writes beyond the rate are refused until the second is over", async () => {
  const world = new CommitWorld({ settings: { writeBytesPerSecond: 4 * 1024 * 1024 } });
  const big = (n: number) => world.mutate("big", async (tx) => tx.insert("blobs", id(n), { ["x".repeat(3 << 20)]: n }));
  await big(1);
  await expect(big(2)).rejects.toMatchObject({
    code: "TooManyWrites",
    message:
      "Too many writes per second. Your deployment is limited to 4 MiB bytes written per 1s. " +
      "Reduce your write rate or upgrade to a larger deployment.",
  });
  await world.time.until(world.time.sleep(1_000));
  await big(3);
});
