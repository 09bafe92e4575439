import { z } from "zod";
import { commitWithRetry } from "../deploy/catalog-retry.ts";
import type { CatalogCommitter } from "../deploy/ports.ts";
import type { TableId } from "../engine/names.ts";
import type { Persistence } from "../engine/persistence.ts";
import type { Clock } from "../shared/clock.ts";
import type { JsonValue } from "../shared/json.ts";

/** Catalog value: tables whose documents are still to be removed. */
const DROPPED_TABLES = "droppedTables";

const ROWS_PER_STEP = 1000;

/** Snapshots that began before the drop may read them, and the drop was computed a while before it was committed. */
const DROP_MARGIN = 60_000_000;

/** `at`: microseconds, shortly before the commit that dropped it. */
const dropped = z.array(z.object({ id: z.number().transform((id) => id as TableId), at: z.number() }));

function loadDropped(values: ReadonlyMap<string, JsonValue>): z.output<typeof dropped> {
  return dropped.parse(values.get(DROPPED_TABLES) ?? []);
}

function droppedValue(tables: z.output<typeof dropped>): { key: string; value: JsonValue | null } {
  return { key: DROPPED_TABLES, value: tables.length === 0 ? null : tables.map(({ id, at }) => ({ id, at })) };
}

/** The part of a change that remembers to remove the documents of the tables that it drops. */
export function droppingTables(
  values: ReadonlyMap<string, JsonValue>,
  ids: readonly TableId[],
  clock: Clock,
): readonly { key: string; value: JsonValue | null }[] {
  if (ids.length === 0) return [];
  const at = Math.floor(clock.now() * 1000);
  return [droppedValue([...loadDropped(values), ...ids.map((id) => ({ id, at }))])];
}

export interface DroppedTablesPorts {
  readonly persistence: Pick<Persistence, "loadCatalog" | "removeDocuments">;
  readonly committer: CatalogCommitter;
  readonly pause: () => Promise<void>;
  readonly clock: Clock;
}

/** Works for about `budgetMs`. True: there is more to do, now or later. */
export async function removeDroppedTables(ports: DroppedTablesPorts, budgetMs: number): Promise<boolean> {
  const { persistence, committer, pause, clock } = ports;
  const deadline = clock.now() + budgetMs;
  const { values, head } = await persistence.loadCatalog();
  const all = loadDropped(values);
  const removed = new Set<TableId>();
  for (const { id, at } of all) {
    if (head.retainedFrom < at + DROP_MARGIN) continue;
    let count = ROWS_PER_STEP;
    while (count > 0 && clock.now() < deadline) {
      count = await persistence.removeDocuments(id, ROWS_PER_STEP);
      await pause();
    }
    if (count === 0) removed.add(id);
  }
  if (removed.size > 0) {
    await commitWithRetry(committer, async () => {
      const rows = await persistence.loadCatalog();
      const left = loadDropped(rows.values).filter(({ id }) => !removed.has(id));
      return { expectedCatalogTs: rows.head.catalogTs, change: { values: [droppedValue(left)] } };
    });
  }
  return removed.size < all.length;
}
