import { expect, test } from "vitest";
import { CommitWorld, id, increment, MemoryMark } from "../../support/commit-world.ts";
import { SimplePersistence } from "../../support/simple-persistence.ts";
import { VirtualTime } from "../../support/virtual-time.ts";

test("COMMIT8 every stored transaction is told once and in order, each group with what was durable before it", async () => {
  const world = new CommitWorld({ script: { delay: () => 5 } });
  const first = await world.mutate("add", (tx) => increment(tx, id(1)));
  // The first of these is sent alone, the others fill the next group meanwhile.
  const answers = Array.from({ length: 6 }, (_, n) => world.start("add", (tx) => increment(tx, id(10 + n))));
  const later = (await world.time.until(Promise.all(answers))).map(({ ts }) => ts);
  expect(world.groups.flatMap(({ told }) => told)).toEqual([first.ts, ...later.toSorted((a, b) => a - b)]);
  expect(world.groups.some(({ told }) => told.length > 1)).toBe(true);
  for (const [i, { previous }] of world.groups.entries()) {
    expect(previous).toBe(i === 0 ? 0 : world.groups[i - 1]?.told.at(-1));
  }
});

test("COMMIT9 a mutation that ends its run while storage does not confirm is refused and not stored later", async () => {
  let down = false;
  const world = new CommitWorld({ script: { commitFate: () => (down ? "lost" : "ok") } });
  await world.mutate("add", (tx) => increment(tx, id(1)));
  down = true;
  const slow = world.start("slow", async (tx) => {
    await world.time.sleep(30_000);
    return increment(tx, id(2));
  });
  const stuck = world.start("add", (tx) => increment(tx, id(1)));
  await expect(world.time.until(stuck)).rejects.toMatchObject({ code: "CommitNotConfirmed" });
  await expect(world.time.until(slow)).rejects.toMatchObject({ code: "WorkerOverloaded" });
  down = false;
  while (world.time.pending > 0 && world.time.fireNext()) await world.time.settle();
  expect((await world.mutate("look", (tx) => tx.get("counters", id(2)))).value).toBeNull();
});

test("FENCE5 a batch in flight is acknowledged if it is stored, though its writer has found another one meanwhile", async () => {
  const time = new VirtualTime();
  const store = new SimplePersistence();
  const answer = Promise.withResolvers<void>();
  let commits = 0;
  const a = new CommitWorld({
    time,
    store,
    seed: 1,
    script: { gate: async (point) => (point === "after commit" && ++commits === 2 ? answer.promise : undefined) },
  });
  const b = new CommitWorld({ time, store, mark: new MemoryMark(), seed: 2 });
  await a.mutate("add", (tx) => increment(tx, id(1)));
  const unheard = a.start("add", (tx) => increment(tx, id(1)));
  await time.settle();
  expect((await b.mutate("add", (tx) => increment(tx, id(1)))).value).toBe(3);
  // Storage tells `a` of the other writer while its own batch has no answer yet.
  const other = a.start("other", (tx) => increment(tx, id(2)));
  await time.settle();
  answer.resolve();
  expect((await time.until(unheard)).value).toBe(2);
  expect((await time.until(other)).value).toBe(1);
});

test("IDEM7 a request that another writer has answered since it began is answered from the record", async () => {
  const time = new VirtualTime();
  const store = new SimplePersistence();
  const a = new CommitWorld({ time, store, seed: 1 });
  const b = new CommitWorld({ time, store, mark: new MemoryMark(), seed: 2 });
  await a.mutate("add", (tx) => increment(tx, id(1)));
  const ids = { sessionId: "session", requestId: "1" };
  const slow = a.start(
    "add",
    async (tx) => {
      await time.sleep(50);
      // Not in memory: reading it shows who owns the database by now.
      await tx.get("counters", id(2));
      return increment(tx, id(1));
    },
    ids,
  );
  await time.settle();
  const answered = await b.mutate("add", (tx) => increment(tx, id(1)), ids);
  expect(await time.until(slow)).toEqual(answered);
  expect((await a.mutate("look", (tx) => tx.get("counters", id(1)))).value).toEqual({ n: 2 });
});

test("TS4 nobody is told of a timestamp that the stored mark does not cover", async () => {
  const stored = Promise.withResolvers<void>();
  const mark = new MemoryMark();
  mark.store = () => stored.promise;
  const world = new CommitWorld({ mark });
  let answered = false;
  const adding = world
    .start("add", (tx) => increment(tx, id(1)))
    .then((answer) => {
      answered = true;
      return answer;
    });
  while (world.store.batches.length === 0 || world.time.fireNext()) await world.time.settle();
  expect([answered, world.published.length]).toEqual([false, 0]);
  stored.resolve();
  expect((await world.time.until(adding)).value).toBe(1);
  expect(world.published).toHaveLength(1);
});

test("IDEM8 a request that was answered before its fate is known is not run again until it is known", async () => {
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  let commits = 0;
  const world = new CommitWorld({
    script: { gate: async (point) => (point === "before commit" ? gates[commits++ - 1]?.promise : undefined) },
  });
  await world.mutate("add", (tx) => increment(tx, id(1)));
  const first = world.start("add", (tx) => increment(tx, id(1)));
  await world.time.settle();
  // In the group behind, which is not sent before the first has been stored.
  const ids = { sessionId: "session", requestId: "1" };
  const second = world.start("add", (tx) => increment(tx, id(1)), ids);
  for (const refused of await world.time.until(Promise.allSettled([first, second]))) {
    expect(refused).toMatchObject({ status: "rejected", reason: { code: "CommitNotConfirmed" } });
  }
  gates[0].resolve();
  await world.time.settle();
  expect(world.store.batches).toHaveLength(2);
  const tooSoon = world.start("add", (tx) => increment(tx, id(1)), ids);
  const settled = Promise.allSettled([tooSoon]);
  await world.time.settle();
  gates[1].resolve();
  await world.time.until(settled);
  expect((await world.mutate("add", (tx) => increment(tx, id(1)), ids)).value).toBe(3);
  expect((await world.mutate("look", (tx) => tx.get("counters", id(1)))).value).toEqual({ n: 3 });
});

test("SCH9 a new writer says that there may be jobs: the one before may have stored some and told nobody", async () => {
  const world = new CommitWorld();
  await world.mutate("add", (tx) => increment(tx, id(1)));
  expect(world.due).toEqual([[]]);
  const other = new CommitWorld({ store: world.store, mark: world.mark, seed: 2 });
  await other.mutate("add", (tx) => increment(tx, id(1)));
  expect(other.due).toEqual([[]]);
});
