import { z } from "zod";
import { commitWithRetry } from "../deploy/catalog-retry.ts";
import type { CatalogCommitter } from "../deploy/ports.ts";
import type { TableId } from "../engine/names.ts";
import type { Persistence, TableRow } from "../engine/persistence.ts";
import { isStagingComponent } from "../engine/staging.ts";
import { STORAGE_TABLE } from "../engine/tables.ts";
import type { Clock } from "../shared/clock.ts";
import type { JsonValue } from "../shared/json.ts";
import { DELETE_FILES_OP } from "./operations.ts";
import type { TransferPorts } from "./ports.ts";

/** Catalog value: tables whose documents are still to be removed. */
const DROPPED_TABLES = "droppedTables";

const ROWS_PER_STEP = 1000;

/** Snapshots that began before the drop may read them, and the drop was computed a while before it was committed. */
const DROP_MARGIN = 60_000_000;

/**
 * `at`: microseconds, shortly before the commit that dropped it. `files`: the component whose stored files its documents
 * are; they are looked at before they go.
 */
const dropped = z.array(
  z.object({ id: z.number().transform((id) => id as TableId), at: z.number(), files: z.string().optional() }),
);

type Dropped = z.output<typeof dropped>;

function loadDropped(values: ReadonlyMap<string, JsonValue>): Dropped {
  return dropped.parse(values.get(DROPPED_TABLES) ?? []);
}

function droppedValue(tables: Dropped): { key: string; value: JsonValue | null } {
  return { key: DROPPED_TABLES, value: tables.length === 0 ? null : tables.map(entry) };
}

function entry({ id, at, files }: Dropped[number]): JsonValue {
  return files === undefined ? { id, at } : { id, at, files };
}

/** The part of a change that remembers to remove the documents of the tables that it drops. */
export function droppingTables(
  values: ReadonlyMap<string, JsonValue>,
  tables: readonly TableRow[],
  clock: Clock,
): readonly { key: string; value: JsonValue | null }[] {
  if (tables.length === 0) return [];
  const at = Math.floor(clock.now() * 1000);
  const added = tables.map(({ id, name, component }) =>
    name === STORAGE_TABLE && !isStagingComponent(component) ? { id, at, files: component } : { id, at },
  );
  return [droppedValue([...loadDropped(values), ...added])];
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
  for (const { id, at, files } of all) {
    if (files !== undefined || head.retainedFrom < at + DROP_MARGIN) continue;
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

const FILES_PER_STEP = 200;

/** Files that an import has replaced count as deleted from now on, unless they are among the new ones. */
export async function deleteReplacedFiles(
  ports: Pick<TransferPorts, "persistence" | "committer" | "run" | "pause">,
): Promise<void> {
  const { persistence, committer, run, pause } = ports;
  for (const { id: tableId, files: component } of loadDropped((await persistence.loadCatalog()).values)) {
    if (component === undefined) continue;
    let start = "";
    for (let more = true; more;) {
      const read = { kind: "range", tableId, index: "by_id", order: "asc", limit: FILES_PER_STEP } as const;
      const { results } = await persistence.read([{ ...read, interval: { start, end: null } }], "latest");
      const ids = results[0].rows.map(({ key }) => key);
      if (ids.length > 0) await run(DELETE_FILES_OP, { component, ids });
      start = `${ids.at(-1) ?? ""}00`;
      more = results[0].more && ids.length > 0;
      await pause();
    }
    await commitWithRetry(committer, async () => {
      const rows = await persistence.loadCatalog();
      const left = loadDropped(rows.values).map(({ id, at, files }) =>
        id === tableId || files === undefined ? { id, at } : { id, at, files },
      );
      return { expectedCatalogTs: rows.head.catalogTs, change: { values: [droppedValue(left)] } };
    });
  }
}
