import { expect, test } from "vitest";
import { CommitWorld, id, increment } from "../../support/commit-world.ts";

test("P-D-9 50 concurrent +1 give 50", async () => {
  const world = new CommitWorld({ script: { delay: () => 1 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  const answers = Array.from({ length: 50 }, () => world.start("add", (tx) => increment(tx, id(1))));
  const values = (await world.time.until(Promise.all(answers))).map(({ value }) => value);
  expect(values.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i + 2));
  expect((await world.mutate("read", (tx) => tx.get("counters", id(1)))).value).toEqual({ n: 51 });
});

test("LANE1 a hot counter with 32 clients wastes no run once its lane is warm, and groups commits", async () => {
  const world = new CommitWorld({ script: { delay: () => 2 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  let stop = 0;
  const client = async () => {
    for (let i = 0; i < stop; i++) await world.start("add", (tx) => increment(tx, id(1)));
  };
  stop = 5;
  await world.time.until(Promise.all(Array.from({ length: 32 }, client)));
  const { runs, conflicts } = { ...world.runner.counts };
  const batches = world.store.batches.length;
  stop = 50;
  await world.time.until(Promise.all(Array.from({ length: 32 }, client)));
  expect(world.runner.counts.conflicts - conflicts).toBe(0);
  expect(world.runner.counts.runs - runs).toBe(32 * 50);
  expect((await world.mutate("read", (tx) => tx.get("counters", id(1)))).value).toEqual({ n: 1 + 32 * 55 });
  // Coalesced: however many increments a group holds, it stores one version.
  const later = world.store.batches.slice(batches);
  expect(later.length).toBeLessThan(200);
  expect(later.every((batch) => batch.documents.length === 1 && batch.entries.length === 0)).toBe(true);
});

test("LANE2 functions that conflict with each other come to share a lane", async () => {
  const world = new CommitWorld({ script: { delay: () => 2 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  const round = () =>
    world.time.until(
      Promise.all(
        Array.from({ length: 16 }, (_, i) =>
          world.start(i % 2 === 0 ? "add" : "alsoAdd", (tx) => increment(tx, id(1))),
        ),
      ),
    );
  for (let i = 0; i < 10; i++) await round();
  const { conflicts } = { ...world.runner.counts };
  for (let i = 0; i < 10; i++) await round();
  expect(world.runner.counts.conflicts - conflicts).toBe(0);
});

test("LANE3 a function that stopped conflicting runs concurrently again", async () => {
  const world = new CommitWorld({ script: { delay: () => 1 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  const hot = () => world.start("add", (tx) => increment(tx, id(1)));
  await world.time.until(Promise.all(Array.from({ length: 32 }, hot)));
  for (let i = 0; i < 60; i++) await world.mutate("add", (tx) => increment(tx, id(2 + i)));
  let together = 0;
  let most = 0;
  const cold = (n: number) =>
    world.start("add", async (tx) => {
      together += 1;
      most = Math.max(most, together);
      await world.time.sleep(1);
      together -= 1;
      return increment(tx, id(1000 + n));
    });
  await world.time.until(Promise.all(Array.from({ length: 8 }, (_, n) => cold(n))));
  expect(most).toBe(8);
});

test("E-C-12 a mutation that always conflicts fails after five runs and names table, document and writer", async () => {
  const world = new CommitWorld({ script: { delay: () => 1 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  let runs = 0;
  const loser = world.start("messages:slow", async (tx) => {
    runs += 1;
    await tx.get("counters", id(1));
    await world.start("messages:fast", (other) => increment(other, id(1)));
    return increment(tx, id(1));
  });
  await expect(world.time.until(loser)).rejects.toMatchObject({
    errorClass: "OCC",
    code: "OptimisticConcurrencyControlFailure",
    message:
      'Documents read from or written to the "counters" table changed while this mutation was being run and on every ' +
      `subsequent retry. A call to "messages:fast" changed the document with ID "10001/${id(1)}". ` +
      "See https://docs.convex.dev/error#1",
  });
  expect(runs).toBe(5);
});
