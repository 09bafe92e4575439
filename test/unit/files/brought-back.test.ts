import { expect, test } from "vitest";
import type { FileRef } from "../../../src/engine/file-store.ts";
import { CREATION_TIME_DEFINITION, keyIn } from "../../../src/engine/index-definition.ts";
import type { IndexId, InternalId, TableId, TableNumber } from "../../../src/engine/names.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { Sweeper } from "../../../src/files/sweeper.ts";
import { MemoryPersistence } from "../../../src/persistence/memory.ts";
import { must } from "../../../src/shared/assert.ts";

const FILES = 1 as TableId;
const DELETED = 2 as TableId;
const INDEX = 3 as IndexId;
const TS = 10 as Timestamp;
const BACK = "0".repeat(31).concat("1") as InternalId;
const GONE = "0".repeat(31).concat("2") as InternalId;

test("XFER8 a file that was deleted and that an import has brought back keeps its bytes", async () => {
  const persistence = new MemoryPersistence();
  const version = (tableId: TableId, id: InternalId) => {
    const json = JSON.stringify({ _id: id, _creationTime: 1 });
    return { tableId, id, ts: TS, document: { json, size: 20 }, supersedes: false };
  };
  await persistence.commit({
    expected: { ts: 0 as Timestamp, writer: "" },
    ts: TS,
    writer: "w",
    documents: [version(FILES, BACK), version(DELETED, BACK), version(DELETED, GONE)],
    entries: [BACK, GONE].map((id) => ({
      indexId: INDEX,
      key: must(keyIn(CREATION_TIME_DEFINITION, { _creationTime: 1 }, id), "key"),
      ts: TS,
      deleted: false,
    })),
    transactions: [{ ts: TS, keys: [] }],
    outcomes: [],
    catalog: {
      upsertTables: [
        { id: FILES, component: "", name: "_storage", number: 513 as TableNumber },
        { id: DELETED, component: "", name: "_deleted_files", number: 516 as TableNumber },
      ],
      upsertIndexes: [
        {
          id: INDEX,
          tableId: DELETED,
          name: "by_creation_time",
          definition: CREATION_TIME_DEFINITION,
          state: "enabled",
          staged: false,
        },
      ],
    },
  });
  const removed: FileRef[] = [];
  const forgotten: InternalId[] = [];
  const sweeper = new Sweeper({
    store: {
      delete: async (files) => void removed.push(...files),
      list: () => Promise.resolve({ objects: [], cursor: null }),
      put: () => Promise.reject(new Error("not asked to")),
      get: () => Promise.reject(new Error("not asked to")),
    },
    persistence,
    forget: async (_component, ids) => void forgotten.push(...ids),
    clock: { now: () => 100_000 },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    orphanMs: 1,
    deletedMs: 1,
  });
  await sweeper.sweep(0);
  expect(removed).toEqual([{ component: "", id: GONE }]);
  expect(forgotten.toSorted()).toEqual([BACK, GONE]);
});
