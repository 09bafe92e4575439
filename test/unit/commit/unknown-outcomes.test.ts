import { expect, test } from "vitest";
import { GroupStore } from "../../../src/engine/commit/group-store.ts";
import type { CommitBatch } from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { MemoryPersistence } from "../../../src/persistence/memory.ts";
import { CommitWorld, id, increment, MemoryMark, seeded } from "../../support/commit-world.ts";
import type { CommitFate } from "../../support/scripted-persistence.ts";
import { SimplePersistence } from "../../support/simple-persistence.ts";
import { VirtualTime } from "../../support/virtual-time.ts";

const FATES: readonly CommitFate[] = ["ok", "lost", "unanswered", "late"];

// Every fate of the first four commits, in every combination.
for (let combination = 0; combination < FATES.length ** 4; combination++) {
  const fates = Array.from(
    { length: 4 },
    (_, i) => FATES[Math.floor(combination / FATES.length ** i) % FATES.length] ?? "ok",
  );
  if (fates.every((fate) => fate === "ok")) continue;
  test(`COMMIT1 no mutation is lost or doubled when commits are ${fates.join(", ")}`, async () => {
    let commits = 0;
    const world = new CommitWorld({ script: { delay: () => 1, commitFate: () => fates[commits++] ?? "ok" } });
    const answers = [];
    for (let i = 0; i < 6; i++) {
      answers.push(world.start("add", (tx) => increment(tx, id(1))));
      await world.time.settle();
    }
    await world.time.until(Promise.all(answers));
    expect((await world.mutate("read", (tx) => tx.get("counters", id(1)))).value).toEqual({ n: 6 });
    expect([...world.store.documents.values()].map(({ json }) => JSON.parse(json))).toEqual([{ n: 6 }]);
    expect(world.errors).toEqual([]);
  });
}

test("COMMIT2 after an unknown outcome the next batch is the identical one", async () => {
  let commits = 0;
  const sent: string[] = [];
  const world = new CommitWorld({
    script: {
      commitFate: (batch) => {
        sent.push(JSON.stringify(batch));
        return commits++ < 3 ? "lost" : "ok";
      },
    },
  });
  const first = world.start("add", (tx) => increment(tx, id(1)));
  await world.time.settle();
  const second = world.start("add", (tx) => increment(tx, id(1)));
  await world.time.until(Promise.all([first, second]));
  expect(new Set(sent.slice(0, 4)).size).toBe(1);
  expect(sent).toHaveLength(5);
});

test("FENCE1 of two committers on one database each is fenced by the other, and recovers", async () => {
  const time = new VirtualTime();
  const store = new SimplePersistence();
  const script = { delay: () => 1 };
  const a = new CommitWorld({ time, store, mark: new MemoryMark(), script, seed: 1 });
  const b = new CommitWorld({ time, store, mark: new MemoryMark(), script, seed: 2 });
  await a.mutate("add", (tx) => increment(tx, id(1)));
  await b.mutate("add", (tx) => increment(tx, id(1)));
  // `a` has the document in memory, so only its commit can tell it.
  await expect(a.mutate("add", (tx) => increment(tx, id(1)))).rejects.toMatchObject({
    errorClass: "Overloaded",
    code: "CommitterFenced",
  });
  expect((await a.mutate("add", (tx) => increment(tx, id(1)))).value).toBe(3);
  // `b` reads storage for a document it does not know, and sees there that it was replaced.
  expect((await b.mutate("other", (tx) => increment(tx, id(2)))).value).toBe(1);
  expect((await b.mutate("add", (tx) => increment(tx, id(1)))).value).toBe(4);
  const ts = store.batches.map((batch) => batch.ts);
  expect(ts).toEqual(ts.toSorted((x, y) => x - y));
});

test("FENCE2 every caller of a fenced group gets a retryable error, whatever was queued behind it", async () => {
  const time = new VirtualTime();
  const store = new SimplePersistence();
  const a = new CommitWorld({ time, store, script: { delay: () => 5 }, seed: 1 });
  const b = new CommitWorld({ time, store, seed: 2 });
  await a.mutate("add", (tx) => increment(tx, id(1)));
  await b.mutate("add", (tx) => increment(tx, id(1)));
  const first = a.start("add", (tx) => increment(tx, id(1)));
  await time.settle();
  const others = Array.from({ length: 5 }, () => a.start("add", (tx) => increment(tx, id(1))));
  const settled = await time.until(Promise.allSettled([first, ...others]));
  for (const result of settled) {
    expect(result).toMatchObject({ status: "rejected", reason: { code: "CommitterFenced", retryable: true } });
  }
  expect((await a.mutate("read", (tx) => tx.get("counters", id(1)))).value).toEqual({ n: 2 });
});

test("FENCE3 a batch that was stored unseen, and built on by another writer, is acknowledged", async () => {
  const time = new VirtualTime();
  const store = new SimplePersistence();
  let commits = 0;
  const a = new CommitWorld({
    time,
    store,
    seed: 1,
    script: { commitFate: () => (commits++ === 1 ? "unanswered" : "ok") },
  });
  const b = new CommitWorld({ time, store, mark: new MemoryMark(), seed: 2 });
  await a.mutate("add", (tx) => increment(tx, id(1)));
  const unseen = a.start("add", (tx) => increment(tx, id(1)));
  await time.settle();
  const other = b.start("add", (tx) => increment(tx, id(1)));
  await time.settle();
  expect((await other).value).toBe(3);
  expect((await time.until(unseen)).value).toBe(2);
  expect((await a.mutate("add", (tx) => increment(tx, id(1)))).value).toBe(4);
});

test("COMMIT3 while storage does not confirm, callers get a retryable error, and work goes on afterwards", async () => {
  let down = false;
  const world = new CommitWorld({ script: { commitFate: () => (down ? "lost" : "ok") } });
  await world.mutate("add", (tx) => increment(tx, id(1)));
  down = true;
  const ids = { sessionId: "s", requestId: "1" };
  const waiting = world.start("add", (tx) => increment(tx, id(1)), ids);
  await expect(world.time.until(waiting)).rejects.toMatchObject({
    errorClass: "Overloaded",
    code: "CommitNotConfirmed",
  });
  await expect(world.mutate("add", (tx) => increment(tx, id(1)))).rejects.toMatchObject({ code: "WorkerOverloaded" });
  down = false;
  await world.time
    .until(world.life.alive?.durable(world.life.alive.state.decidedTs) ?? Promise.reject(new Error("dead")))
    .catch(() => undefined);
  while (world.time.pending > 0 && world.time.fireNext()) await world.time.settle();
  // The answer of the first is there for who asks again.
  expect((await world.mutate("add", (tx) => increment(tx, id(1)), ids)).value).toBe(2);
  expect((await world.mutate("add", (tx) => increment(tx, id(1)))).value).toBe(3);
});

test("COMMIT4 a bug in storage refuses the callers and is logged, and the next caller starts afresh", async () => {
  let broken = true;
  const world = new CommitWorld({
    script: {
      commitFate: () => {
        if (broken) throw new TypeError("a bug");
        return "ok";
      },
    },
  });
  await expect(world.mutate("add", (tx) => increment(tx, id(1)))).rejects.toThrow("a bug");
  broken = false;
  expect((await world.mutate("add", (tx) => increment(tx, id(1)))).value).toBe(1);
  expect(world.errors).toHaveLength(1);
});

/** Runs clients that resend with their ids until answered, on objects that crash at the given await point each. */
async function withCrashes(seed: number, crashPoints: readonly number[]): Promise<void> {
  const time = new VirtualTime();
  const store = new SimplePersistence();
  const mark = new MemoryMark();
  const random = seeded(seed);
  const open = () => {
    const crashAt = crashPoints[generation] ?? Number.POSITIVE_INFINITY;
    let points = 0;
    const death = Promise.withResolvers<"dead">();
    const world = new CommitWorld({
      time,
      store,
      mark,
      seed: seed + generation,
      script: {
        delay: () => random() * 2,
        gate: async () => {
          if (++points < crashAt) return;
          death.resolve("dead");
          await new Promise(() => undefined);
        },
      },
    });
    return { world, dead: death.promise };
  };
  let generation = 0;
  let current = open();
  const clients = Array.from({ length: 4 }, async (_, client) => {
    for (let request = 0; request < 5; request++) {
      for (;;) {
        const { world, dead } = current;
        const ids = { sessionId: `s${client}`, requestId: `${request}` };
        const answer = await Promise.race([world.start("add", (tx) => increment(tx, id(1)), ids), dead]);
        if (answer !== "dead") {
          // Acknowledged means stored, at this moment.
          expect(store.outcomes.has(`s${client}/${request}`)).toBe(true);
          break;
        }
        if (current.world === world) {
          generation += 1;
          current = open();
        }
      }
    }
  });
  await time.until(Promise.all(clients));
  expect([...store.documents.values()].map(({ json }) => JSON.parse(json))).toEqual([{ n: 20 }]);
  expect(store.outcomes.size).toBe(20);
}

for (let point = 1; point <= 40; point++) {
  test(`CRASH1 an object dropped at await point ${point}: what was acknowledged is stored, nothing twice`, async () => {
    await withCrashes(point, [point, 1 + ((point * 7) % 11), point]);
  });
}

test("COMMIT7 a batch whose fate the log has forgotten is given up, not asked about for ever", async () => {
  const time = new VirtualTime();
  const persistence = new MemoryPersistence();
  const batch = (ts: number, expected: { ts: number; writer: string }, writer: string): CommitBatch => ({
    expected: { ts: expected.ts as Timestamp, writer: expected.writer },
    ts: ts as Timestamp,
    writer,
    documents: [],
    entries: [],
    transactions: [{ ts: ts as Timestamp, keys: [] }],
    outcomes: [],
    catalog: null,
  });
  await persistence.commit(batch(10, { ts: 0, writer: "" }, "a"));
  // Another writer took over while the answer to this one's second batch was outstanding, for longer than the window.
  await persistence.commit(batch(20, { ts: 10, writer: "a" }, "b"));
  await persistence.prune(20 as Timestamp, 100);
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const store = new GroupStore(persistence, time, log, { resendInitialMs: 50, resendMaxMs: 5_000 });
  await expect(time.until(store.store(batch(15, { ts: 10, writer: "a" }, "a")))).rejects.toThrow("forgotten");
});
