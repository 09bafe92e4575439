import { expect, test } from "vitest";
import type { Persistence, Read } from "../../../src/engine/persistence.ts";
import { CatalogChangedError } from "../../../src/engine/snapshot-reader.ts";
import type { IndexAddress, SearchDefinition } from "../../../src/engine/derived-index.ts";
import type { IndexId, InternalId, TableId } from "../../../src/engine/names.ts";
import type { TextIndexes } from "../../../src/engine/text/text-index.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { MemoryPersistence } from "../../../src/persistence/memory.ts";
import { PinnedSnapshot } from "../../../src/runtime/functions/snapshot.ts";

const POINT: Read = {
  kind: "range",
  tableId: 1 as TableId,
  index: "by_id",
  interval: { start: "", end: null },
  order: "asc",
  limit: 1,
};

const ONE = "1".repeat(32) as InternalId;
const TWO = "2".repeat(32) as InternalId;

const ADDRESS: IndexAddress<SearchDefinition> = {
  indexId: 3 as IndexId,
  tableId: POINT.tableId,
  definition: { type: "search", searchField: "body", filterFields: [] },
};

interface Trip {
  readonly reads: number;
  readonly at: Timestamp | "latest";
}

/** Counts round trips and remembers at which snapshot they read. */
class CountedPersistence extends MemoryPersistence {
  readonly trips: Trip[] = [];

  override read<const R extends readonly Read[]>(reads: R, at: Timestamp | "latest") {
    this.trips.push({ reads: reads.length, at });
    return super.read(reads, at);
  }
}

function counted(): { readonly persistence: Persistence; readonly trips: readonly Trip[] } {
  const persistence = new CountedPersistence();
  return { persistence, trips: persistence.trips };
}

async function catalogTs(persistence: Persistence): Promise<Timestamp> {
  return (await persistence.loadCatalog()).head.catalogTs;
}

test("SNAP1 reads asked for in one turn share one round trip, which pins the snapshot for later ones", async () => {
  const { persistence, trips } = counted();
  const snapshot = new PinnedSnapshot(persistence, await catalogTs(persistence), null);
  await Promise.all([snapshot.read([POINT]), snapshot.read([POINT, POINT])]);
  expect(trips).toEqual([{ reads: 3, at: "latest" }]);
  const pinned = snapshot.snapshotTs;
  expect(pinned).not.toBeNull();
  await snapshot.read([POINT]);
  expect(trips[1]).toEqual({ reads: 1, at: pinned });
});

test("SNAP2 a read that follows before the first answer waits for the snapshot that it pins", async () => {
  const { persistence, trips } = counted();
  const snapshot = new PinnedSnapshot(persistence, await catalogTs(persistence), null);
  const first = snapshot.read([POINT]);
  await Promise.resolve();
  await Promise.all([first, snapshot.read([POINT])]);
  expect(trips.map(({ at }) => at)).toEqual(["latest", snapshot.snapshotTs]);
});

test("SNAP3 another catalog than the query began with is told, for the newest snapshot and for one of the past", async () => {
  const { persistence } = counted();
  const { head } = await persistence.loadCatalog();
  const stale = (head.catalogTs + 1) as Timestamp;
  for (const at of [null, head.ts]) {
    await expect(new PinnedSnapshot(persistence, stale, at).read([POINT])).rejects.toBeInstanceOf(CatalogChangedError);
  }
});

test("SNAP4 a text search costs one reading of the database if the index had seen all, and is put right if it had not", async () => {
  const { persistence, trips } = counted();
  const commit = async (ts: number): Promise<void> => {
    const before = (await persistence.loadCatalog()).head;
    await persistence.commit({
      expected: before,
      ts: ts as Timestamp,
      writer: "w",
      documents: [ONE, TWO].map((id) => ({
        tableId: POINT.tableId,
        id,
        ts: ts as Timestamp,
        document: { json: `{"at":${ts}}`, size: 1 },
        supersedes: true,
      })),
      entries: [],
      transactions: [{ ts: ts as Timestamp, keys: [] }],
      outcomes: [],
      catalog: null,
    });
  };
  await commit(5);
  const asked: number[] = [];
  let index = { ts: 5, changed: [] as InternalId[], settled: true };
  const texts: TextIndexes = {
    search: async (_index, _query, _limit, ts) => {
      asked.push(ts);
      if (ts > index.ts) index = { ...index, ts };
      return {
        ts: index.ts as Timestamp,
        hits: [{ id: ONE, score: 1, creationTime: 1 }],
        more: false,
        statistics: { documents: 1, terms: 1, matching: [1] },
        changed: ts === 0 ? [] : index.changed,
      };
    },
    isSettled: () => index.settled,
  };
  const search = async () => {
    const snapshot = new PinnedSnapshot(persistence, await catalogTs(persistence), null, texts);
    return { ...(await snapshot.search(ADDRESS, { terms: ["a"], filters: [] }, 10, 10)), ts: snapshot.snapshotTs };
  };
  const settled = await search();
  expect(settled).toMatchObject({ ts: 5, changed: new Map() });
  expect(settled.documents.get(ONE)?.ts).toBe(5);
  expect({ asked: asked.splice(0), trips: trips.length }).toEqual({ asked: [0], trips: 1 });

  // The index is behind: it is asked again, for the snapshot that the documents had pinned.
  await commit(7);
  expect(await search()).toMatchObject({ ts: 7 });
  expect(asked.splice(0)).toEqual([0, 7]);

  // The index is ahead: what changed since is read as the snapshot has it.
  index = { ts: 9, changed: [TWO], settled: false };
  const ahead = await search();
  expect(ahead.ts).toBe(7);
  expect([...ahead.changed].map(([id, document]) => [id, document?.ts])).toEqual([[TWO, 7]]);
  expect(asked).toEqual([7]);
});
