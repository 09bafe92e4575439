import { expect, test } from "vitest";
import type { Persistence, Read } from "../../../src/engine/persistence.ts";
import { CatalogChangedError } from "../../../src/engine/snapshot-reader.ts";
import type { TableId } from "../../../src/engine/names.ts";
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
