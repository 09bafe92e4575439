import { expect, test } from "vitest";
import { CommitWorld, id, increment } from "../../support/commit-world.ts";

const IDS = { sessionId: "session", requestId: "1" };

test("IDEM1 a mutation that is sent again is answered from the record and not run", async () => {
  const world = new CommitWorld();
  const first = await world.mutate("add", (tx) => increment(tx, id(1)), IDS);
  const again = await world.mutate("add", (tx) => increment(tx, id(1)), IDS);
  expect(again).toEqual(first);
  expect(world.runner.counts.runs).toBe(1);
});

test("IDEM2 the record outlives the object that wrote it", async () => {
  const world = new CommitWorld();
  const first = await world.mutate("add", (tx) => increment(tx, id(1)), IDS);
  const next = new CommitWorld({ store: world.store, mark: world.mark });
  expect(await next.mutate("add", (tx) => increment(tx, id(1)), IDS)).toEqual(first);
  expect(next.runner.counts.runs).toBe(0);
});

test("IDEM3 a duplicate that arrives while the first runs waits for it", async () => {
  const world = new CommitWorld({ script: { delay: () => 1 } });
  const answers = Array.from({ length: 5 }, () => world.start("add", (tx) => increment(tx, id(1)), IDS));
  const values = (await world.time.until(Promise.all(answers))).map(({ value }) => value);
  expect(values).toEqual([1, 1, 1, 1, 1]);
  expect(world.runner.counts.runs).toBe(1);
});

test("IDEM4 a mutation that wrote nothing is recorded too", async () => {
  const world = new CommitWorld();
  await world.mutate("add", (tx) => increment(tx, id(1)));
  const first = await world.mutate("look", (tx) => tx.get("counters", id(1)), IDS);
  await world.mutate("add", (tx) => increment(tx, id(1)));
  const next = new CommitWorld({ store: world.store, mark: world.mark });
  expect(await next.mutate("look", (tx) => tx.get("counters", id(1)), IDS)).toEqual(first);
});

test("IDEM5 a failed mutation is not recorded and runs again", async () => {
  const world = new CommitWorld();
  const fail = {
    functionName: "fail",
    idempotency: IDS,
    execute: async () => ({
      ok: false,
      effects: { readSet: new Map(), writeSet: { documents: [], newTables: [] } },
      answer: () => `"failed"`,
    }),
  };
  expect(await world.time.until(world.runner.run(fail))).toBe(`"failed"`);
  expect(world.store.outcomes.size).toBe(0);
  expect((await world.mutate("add", (tx) => increment(tx, id(1)), IDS)).value).toBe(1);
});

test("IDEM6 a fresh request saves the look-up", async () => {
  const lookUps: string[] = [];
  const world = new CommitWorld({
    script: {
      gate: async (point) => {
        if (point === "before outcome") lookUps.push(point);
      },
    },
  });
  await world.mutate("add", (tx) => increment(tx, id(1)), { ...IDS, fresh: true });
  expect(lookUps).toEqual([]);
  expect((await world.mutate("add", (tx) => increment(tx, id(1)), IDS)).value).toBe(1);
});

test("IDEM7 a named request whose outcome is not stored is run once, while it runs and after", async () => {
  const world = new CommitWorld({ script: { delay: () => 1 } });
  const send = () => world.start("add", (tx) => increment(tx, id(1)), null, "files.record 1");
  const values = (await world.time.until(Promise.all([send(), send()]))).map(({ value }) => value);
  values.push((await world.time.until(send())).value);
  expect(values).toEqual([1, 1, 1]);
  expect(world.runner.counts.runs).toBe(1);
  expect(world.store.outcomes.size).toBe(0);
});
