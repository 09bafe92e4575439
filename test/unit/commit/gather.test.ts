import { expect, test } from "vitest";
import type { InternalId } from "../../../src/engine/names.ts";
import { CommitWorld, increment } from "../../support/commit-world.ts";

function documentId(n: number): InternalId {
  return n.toString(16).padStart(32, "0") as InternalId;
}

/** Mutations that take turns, each running for `runMs`; how many batches and milliseconds they took. */
async function turns(
  gatherMs: number,
  runMs = 0.5,
): Promise<{ readonly batches: number; readonly milliseconds: number }> {
  let batches = 0;
  const world = new CommitWorld({
    settings: { gatherMs, maxConcurrent: 1 },
    script: {
      commitFate: () => {
        batches += 1;
        return "ok";
      },
    },
  });
  await world.mutate("warm up", (tx) => increment(tx, documentId(0)));
  batches = 0;
  const started = world.time.now();
  const calls = Array.from({ length: 20 }, (_, n) =>
    world.start("add", async (tx) => {
      await world.time.sleep(runMs);
      return increment(tx, documentId(n));
    }),
  );
  await world.time.until(Promise.all(calls));
  return { batches, milliseconds: world.time.now() - started };
}

test("COMMIT6 mutations that take turns are stored together, at most gatherMs of them", async () => {
  expect(await turns(0)).toEqual({ batches: 20, milliseconds: 10 });
  const gathered = await turns(4);
  expect(gathered.batches).toBeLessThanOrEqual(3);
  expect(gathered.milliseconds).toBeLessThanOrEqual(10 + 4);
});

test("COMMIT6 on a machine on which a turn takes longer than a step they are stored together all the same", async () => {
  expect((await turns(0, 2.5)).batches).toBe(20);
  // The first few wait for one step only: how long a turn takes has to be learnt.
  const { batches, milliseconds } = await turns(20, 2.5);
  expect(batches).toBeLessThanOrEqual(12);
  expect(milliseconds).toBeLessThanOrEqual(20 * 2.5 + 20);
});

test("COMMIT6 the wait is over with the last mutation under way, not with the step", async () => {
  const world = new CommitWorld({ settings: { gatherMs: 8 } });
  await world.mutate("warm up", (tx) => increment(tx, documentId(0)));
  const started = world.time.now();
  const last = world.start("last", async (tx) => {
    await world.time.sleep(0.25);
    return increment(tx, documentId(1));
  });
  await world.time.until(Promise.all([last, world.start("first", (tx) => increment(tx, documentId(2)))]));
  expect(world.time.now() - started).toBe(0.25);
});

test("COMMIT6 a group waits for nobody when no mutation is under way", async () => {
  const world = new CommitWorld({ settings: { gatherMs: 8 } });
  const started = world.time.now();
  await world.mutate("add", (tx) => increment(tx, documentId(1)));
  expect(world.time.now()).toBe(started);
});

test("COMMIT6 a mutation that runs long holds the others up for one step", async () => {
  const world = new CommitWorld({ settings: { gatherMs: 8 } });
  await world.mutate("warm up", (tx) => increment(tx, documentId(0)));
  const started = world.time.now();
  const slow = world.start("slow", async (tx) => {
    await world.time.sleep(500);
    return increment(tx, documentId(1));
  });
  await world.mutate("quick", (tx) => increment(tx, documentId(2)));
  expect(world.time.now()).toBe(started + 1);
  await world.time.until(slow);
});
