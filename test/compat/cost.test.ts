import { afterAll, beforeAll, expect, test } from "vitest";
import { type CountedBackend, startCounted } from "../../bench/counted-backend.ts";
import { message } from "../../bench/data.ts";

/** What calls cost, by D1's own counters, through the whole backend (`platform.md` §3). */

let backend: CountedBackend;

beforeAll(async () => {
  backend = await startCounted();
  await backend.seed(1000);
});

afterAll(() => backend?.[Symbol.asyncDispose]());

test("COST1 an insert into a table with 3 indexes writes at most 8 rows alone", async () => {
  const { rowsWritten } = await backend.costsOf(() => backend.mutation("messages:insert", message(1, 50)));
  expect(rowsWritten).toBeLessThanOrEqual(8);
  expect(rowsWritten).toBeGreaterThanOrEqual(6);
});

test("COST2 ten inserts at once write at most 6.3 rows each", async () => {
  const { rowsWritten } = await backend.costsOf(() =>
    Promise.all(Array.from({ length: 10 }, (_, i) => backend.mutation("messages:insert", message(i, 50)))),
  );
  expect(rowsWritten / 10).toBeLessThanOrEqual(6.3);
});

test("COST3 an update writes at most 3 rows alone, and 5 when one indexed field changes", async () => {
  const same = await backend.costsOf(() => backend.mutation("counters:modify", { id: backend.counters[1] }));
  expect(same.rowsWritten).toBeLessThanOrEqual(3);
  const changed = await backend.costsOf(() =>
    backend.mutation("messages:edit", { id: backend.messages[1], body: "another body" }),
  );
  expect(changed.rowsWritten).toBeLessThanOrEqual(5);
});

test("COST4 a point read reads at most 3 rows, however many versions there are", async () => {
  for (let version = 0; version < 12; version++) await backend.mutation("counters:modify", { id: backend.counters[2] });
  const get = () => backend.query("counters:get", { id: backend.counters[2] });
  // The first query of a Worker isolate reads the catalog too.
  await get();
  const { rowsRead, roundTrips } = await backend.costsOf(get);
  expect(rowsRead).toBeLessThanOrEqual(3);
  // One for the rows; now and then another one asks whether the app is still the same.
  expect(roundTrips).toBeLessThanOrEqual(2);
});

test("COST5 a range of 20 documents with 10 versions each reads at most 65 rows", async () => {
  const channel = "channel 7";
  const inChannel = backend.messages.filter((_, i) => message(i, 50).channel === channel);
  expect(inChannel).toHaveLength(20);
  for (let version = 0; version < 9; version++) {
    await Promise.all(inChannel.map((id) => backend.mutation("messages:edit", { id, body: `version ${version}` })));
  }
  const { rowsRead, roundTrips, rowsWritten } = await backend.costsOf(() =>
    backend.query("messages:list", { channel }),
  );
  expect(rowsRead).toBeLessThanOrEqual(65);
  // One for the rows; now and then another one asks whether the app is still the same.
  expect(roundTrips).toBeLessThanOrEqual(2);
  expect(rowsWritten).toBe(0);
});

test("COST6 1,000 mixed calls use at most 2 loader ids and no-op actions no rows", async () => {
  const { loaderIds } = await backend.costsOf(async () => {
    for (let i = 0; i < 250; i++) {
      const id = backend.messages[i];
      await Promise.all([
        backend.query("messages:get", { id }),
        backend.mutation("counters:modify", { id: backend.counters[10 + i] }),
        backend.action("actions:noop", {}),
        backend.action("actions:readMessage", { id }),
      ]);
    }
  });
  expect(loaderIds.length).toBeLessThanOrEqual(2);
  expect(loaderIds.filter((id) => id.startsWith("load "))).toEqual([]);
  const { rowsWritten } = await backend.costsOf(() => backend.action("actions:noop", {}));
  expect(rowsWritten).toBe(0);
});

test("COST7 a mutation scheduled and run writes at most 11 rows, of which 3 are its own", async () => {
  const [id] = backend.counters;
  const scheduleAndWait = async () => {
    const job = await backend.mutation("jobs:scheduleModify", { ids: [id], at: Date.now() });
    while ((await backend.query("jobs:completedTime", { id: job })) === null);
  };
  // The first one makes the table.
  await scheduleAndWait();
  const { rowsWritten } = await backend.costsOf(scheduleAndWait);
  // Scheduled: head, log, document, its creation time, queue. Run: head, log, document, queue, and the counter.
  expect(rowsWritten).toBeLessThanOrEqual(11);
  expect(rowsWritten).toBeGreaterThanOrEqual(10);
});
