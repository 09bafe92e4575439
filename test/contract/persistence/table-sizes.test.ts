import { afterAll, beforeAll, expect, test } from "vitest";
import type { IndexRow, TableRow } from "../../../src/engine/persistence.ts";
import type { TableId, TableNumber } from "../../../src/engine/names.ts";
import { D1Persistence } from "../../../src/persistence/d1/d1-persistence.ts";
import { D1TableSizes } from "../../../src/persistence/d1/table-sizes.ts";
import { must } from "../../../src/shared/assert.ts";
import { testDatabases, type TestDatabases } from "../../support/d1.ts";
import { INDEXES, put, remove, TABLE, TestWriter } from "./writer.ts";

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases(1);
});

afterAll(async () => {
  await databases.dispose();
});

test("ROW30 documents and bytes of a table are counted inside D1, up to a bound and from a sample", async () => {
  const database = await databases.create();
  const sizes = new D1TableSizes(database.db);
  expect(await sizes.size(TABLE, 100)).toEqual({ documents: 0, bytes: 0 });

  const writer = new TestWriter(new D1Persistence(database.db));
  const table: TableRow = { id: TABLE, component: "", name: "users", number: 10_001 as TableNumber };
  const index: IndexRow = {
    id: must(INDEXES[0], "index"),
    tableId: TABLE,
    name: "by_creation_time",
    definition: { type: "database", fields: ["_creationTime"] },
    state: "enabled",
    staged: false,
  };
  const field = (n: number): string => (100_000 + n).toString();
  const documents = (from: number, count: number) =>
    Array.from({ length: count }, (_, n) => put(from + n, [field(from + n)], "x".repeat(500)));
  await writer.commit([documents(0, 50)], { catalog: { upsertTables: [table], upsertIndexes: [index] } });
  // Older versions and deleted documents don't count.
  await writer.commit([documents(0, 10)]);
  await writer.commit([[remove(49), remove(48)]]);
  const { bytes, documents: counted } = await sizes.size(TABLE, 100);
  expect(counted).toBe(48);
  const each = bytes / 48;
  expect(each).toBeGreaterThan(500);
  expect(each).toBeLessThan(700);

  for (let from = 50; from < 5_050; from += 1_000) await writer.commit([documents(from, 1_000)]);
  const large = await sizes.size(TABLE, 100_000);
  expect(large.documents).toBe(5_048);
  expect(Math.abs(large.bytes / 5_048 - each)).toBeLessThan(5);
  expect(await sizes.size(TABLE, 2_000)).toMatchObject({ documents: 2_000 });

  const meta = must(database.answers.at(-1), "answer").meta;
  expect(meta.rows_read).toBeLessThan(2_000 + 1_000 + 50);
  expect(await sizes.size(99 as TableId, 100)).toEqual({ documents: 0, bytes: 0 });
});
