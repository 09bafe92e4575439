import { expect, test } from "vitest";
import { IdAllocator } from "../../../src/engine/commit/allocator.ts";
import { CatalogState } from "../../../src/engine/commit/catalog-changes.ts";
import type { IndexId, TableId, TableNumber } from "../../../src/engine/names.ts";
import type { TableRow } from "../../../src/engine/persistence.ts";
import { stagingComponent } from "../../../src/engine/staging.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";

const TS = 1 as Timestamp;
const EMPTY = new CatalogState(new Map(), new Map(), new Map(), TS);

function table(id: number, name: string, number: number, component = ""): TableRow {
  return { id: id as TableId, component, name, number: number as TableNumber };
}

test("XFER6 a number that an import brings is not given to a table that was promised it", () => {
  const ids = new IdAllocator(0, 0);
  const promised = ids.table(EMPTY.catalog, "", "a");
  expect(ids.table(EMPTY.catalog, "", "a")).toBe(promised);
  const { catalog } = EMPTY.apply({ upsertTables: [table(7, "imported", promised.number)] }, TS);
  const other = ids.table(catalog, "", "a");
  expect(other.number).toBeGreaterThan(promised.number);
  expect(ids.table(catalog, "", "a")).toBe(other);
});

test("XFER3 a table that was filled out of sight takes the place of another, and of none that stays", () => {
  const old = table(1, "tasks", 10_001);
  const staged = table(2, "tasks", 10_001, stagingComponent("x", ""));
  const state = EMPTY.apply({ upsertTables: [old, staged] }, TS);
  const flipped = { ...staged, component: "" };
  expect(state.fits({ upsertTables: [flipped] })).toBe(false);
  const change = { upsertTables: [flipped], dropTables: [old.id], dropIndexes: [1 as IndexId] };
  expect(state.fits(change)).toBe(true);
  expect(state.fits({ ...change, upsertTables: [{ ...flipped, number: 10_002 as TableNumber }] })).toBe(false);
  expect([...state.apply(change, TS).catalog.tables()]).toEqual([flipped]);
  // Only what was out of sight moves.
  expect(state.fits({ upsertTables: [{ ...old, component: "other" }] })).toBe(false);
});
