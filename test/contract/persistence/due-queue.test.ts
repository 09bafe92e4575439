import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dueKey } from "../../../src/engine/due-queue.ts";
import type { IndexKey, TableId } from "../../../src/engine/names.ts";
import type { DueChange, DueQueue, Persistence } from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { D1Persistence } from "../../../src/persistence/d1/d1-persistence.ts";
import { MemoryPersistence } from "../../../src/persistence/memory.ts";
import { testDatabases, type TestDatabase, type TestDatabases } from "../../support/d1.ts";
import { internalId, put, TestWriter } from "./writer.ts";

/** The queue of jobs, on every implementation; its rows on D1. */

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases(10);
});
afterAll(() => databases.dispose());

const key = (n: number): IndexKey => dueKey({ dueAt: 1_000_000 + n, tableId: 1 as TableId, id: internalId(n) });
const add = (n: number): DueChange => ({ key: key(n), added: true });
const leave = (n: number): DueChange => ({ key: key(n), added: false });

async function commit(writer: TestWriter, persistence: Persistence, due: readonly DueChange[]): Promise<void> {
  const batch = { ...writer.batch([[]]), due };
  await persistence.commit(batch);
  writer.committed(batch);
}

async function d1(): Promise<{ readonly database: TestDatabase; readonly persistence: D1Persistence }> {
  const database = await databases.create();
  return { database, persistence: new D1Persistence(database.db) };
}

describe.each<[string, () => Promise<Persistence & DueQueue>]>([
  ["memory", async () => new MemoryPersistence()],
  ["D1", async () => (await d1()).persistence],
])("%s", (_, create) => {
  test("QUE1 keys come in their order, as many as are asked for, whatever order they were added in", async () => {
    const persistence = await create();
    const writer = new TestWriter(persistence);
    await commit(writer, persistence, [3, 1, 300, 2, 0].map(add));
    expect(await persistence.due(3)).toEqual([key(0), key(1), key(2)]);
    expect(await persistence.due(100)).toEqual([0, 1, 2, 3, 300].map(key));
  });

  test("QUE2 a key that leaves is gone at once, comes back when it is added again, and leaves no trace", async () => {
    const persistence = await create();
    const writer = new TestWriter(persistence);
    await commit(writer, persistence, [add(1), add(2)]);
    await commit(writer, persistence, [leave(1), add(3)]);
    expect(await persistence.due(10)).toEqual([key(2), key(3)]);
    await commit(writer, persistence, [add(1), leave(2), leave(3)]);
    expect(await persistence.due(10)).toEqual([key(1)]);
    // A key that is not there may leave, one that is there may be added.
    await commit(writer, persistence, [add(1), leave(9)]);
    expect(await persistence.due(10)).toEqual([key(1)]);
  });

  test("QUE3 a fenced batch changes nothing, and pruning leaves the queue alone", async () => {
    const persistence = await create();
    const writer = new TestWriter(persistence);
    await commit(writer, persistence, [add(1), add(2)]);
    const stale = { ...writer.batch([[]]), due: [leave(1), add(3)], expected: { ts: 1 as Timestamp, writer: "other" } };
    await expect(persistence.commit(stale)).rejects.toThrow();
    const [ts = 0 as Timestamp] = await writer.commit([[put(1, ["10"])]]);
    while (await persistence.prune(ts, 100));
    expect(await persistence.due(10)).toEqual([key(1), key(2)]);
  });

  test("QUE4 thousands of keys enter and leave in one batch", async () => {
    const persistence = await create();
    const writer = new TestWriter(persistence);
    const many = Array.from({ length: 5_000 }, (_one, n) => n);
    await commit(writer, persistence, many.map(add));
    await commit(writer, persistence, many.slice(0, 4_990).map(leave));
    expect(await persistence.due(100)).toEqual(many.slice(4_990).map(key));
  });
});

async function rows(
  { answers }: TestDatabase,
  work: () => Promise<unknown>,
): Promise<{ read: number; written: number }> {
  const from = answers.length;
  await work();
  const sum = { read: 0, written: 0 };
  for (const { meta } of answers.slice(from)) {
    sum.read += meta.rows_read;
    sum.written += meta.rows_written;
  }
  return sum;
}

test("ROW30 entering the queue writes one row, leaving it one more, and nothing remains to be pruned", async () => {
  const { database, persistence } = await d1();
  const writer = new TestWriter(persistence);
  const empty = await rows(database, () => commit(writer, persistence, []));
  const entering = await rows(database, () => commit(writer, persistence, [add(1)]));
  const leaving = await rows(database, () => commit(writer, persistence, [leave(1)]));
  expect([entering.written - empty.written, leaving.written - empty.written]).toEqual([1, 1]);
});

test("ROW31 the first job is found by reading one row, with 10 jobs in the queue or 20,000, and after thousands have left", async () => {
  const { database, persistence } = await d1();
  const writer = new TestWriter(persistence);
  await commit(
    writer,
    persistence,
    Array.from({ length: 10 }, (_, n) => add(n)),
  );
  const few = await rows(database, () => persistence.due(1));
  await commit(
    writer,
    persistence,
    Array.from({ length: 20_000 }, (_, n) => add(n + 10)),
  );
  const many = await rows(database, () => persistence.due(1));
  await commit(
    writer,
    persistence,
    Array.from({ length: 10_000 }, (_, n) => leave(n)),
  );
  const left = await rows(database, () => persistence.due(1));
  expect([few.read, many.read, left.read]).toEqual([1, 1, 1]);
  expect(await persistence.due(1)).toEqual([key(10_000)]);
});
