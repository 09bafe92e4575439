import { expect, test } from "vitest";
import type { TransactionEffects } from "../../../src/engine/commit/effects.ts";
import type { MutationJob } from "../../../src/engine/commit/mutation-runner.ts";
import type { IndexId } from "../../../src/engine/names.ts";
import { must } from "../../../src/shared/assert.ts";
import { CommitWorld, id, increment } from "../../support/commit-world.ts";
import { SimpleTransaction } from "../../support/simple-transaction.ts";

/** What a push relies on: nothing that began before one of its commits takes effect after it unnoticed. */

const NOTHING: TransactionEffects = { readSet: new Map(), writeSet: { documents: [], newTables: [] } };

test("CAT6 P-D-11 a mutation that began before an index existed leaves its key in it", async () => {
  const world = new CommitWorld({ script: { delay: () => 1 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  const line = await world.life.current();
  let runs = 0;
  const running = world.start("slow", async (tx) => {
    runs++;
    await world.time.sleep(10);
    return await increment(tx, id(2));
  });
  await world.time.settle();

  const table = must(line.state.catalog.table("", "counters"), "table");
  const index = {
    id: 500 as IndexId,
    tableId: table.id,
    name: "by_n",
    definition: { type: "database" as const, fields: ["n"] },
    state: "backfilling" as const,
    staged: false,
  };
  await world.time.until(
    line.commitCatalog({ expectedCatalogTs: line.state.catalog.ts, change: { upsertIndexes: [index] } }),
  );
  await world.time.until(running);
  expect(runs).toBe(2);
  // The document of before is the back-fill's, this one is not: its scan may have passed by.
  const keys = [...must(world.store.entries.get("500"), "entries").keys()];
  expect(keys.map((key) => key.slice(-32))).toEqual([id(2)]);
});

test("CAT7 P-D-10 a mutation that began before a flip is judged by the schema after it", async () => {
  const world = new CommitWorld({ script: { delay: () => 1 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  const line = await world.life.current();
  const verdicts: string[] = [];
  const job: MutationJob = {
    functionName: "slow",
    idempotency: null,
    execute: async (begin) => {
      const tx = new SimpleTransaction(begin);
      const refuses = begin.catalog.values.get("app") === "strict";
      await world.time.sleep(10);
      verdicts.push(refuses ? "refused" : "accepted");
      if (refuses) return { ok: false, effects: NOTHING, answer: () => "refused" };
      await increment(tx, id(2));
      return { ok: true, effects: tx.effects(), answer: () => "stored" };
    },
  };
  const running = world.runner.run(job);
  await world.time.settle();
  await world.time.until(
    line.commitCatalog({
      expectedCatalogTs: line.state.catalog.ts,
      change: { values: [{ key: "app", value: "strict" }] },
    }),
  );
  expect(await world.time.until(running)).toBe("refused");
  expect(verdicts).toEqual(["accepted", "refused"]);
  expect([...world.store.documents.keys()].filter((key) => key.endsWith(id(2)))).toEqual([]);
});

test("CAT7 P-D-10 an answer of the old code is not told once the new code is in force", async () => {
  const world = new CommitWorld({ script: { delay: () => 1 } });
  await world.mutate("setup", (tx) => increment(tx, id(1)));
  const line = await world.life.current();
  const job: MutationJob = {
    functionName: "slow",
    idempotency: null,
    execute: async (begin) => {
      const version = JSON.stringify(begin.catalog.values.get("app") ?? "old");
      await world.time.sleep(10);
      return { ok: false, effects: NOTHING, answer: () => version };
    },
  };
  const running = world.runner.run(job);
  await world.time.settle();
  await world.time.until(
    line.commitCatalog({
      expectedCatalogTs: line.state.catalog.ts,
      change: { values: [{ key: "app", value: "new" }] },
    }),
  );
  expect(await world.time.until(running)).toBe('"new"');
});
