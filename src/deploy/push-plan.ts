import type { Catalog } from "../engine/catalog.ts";
import type { TableId } from "../engine/names.ts";
import type { CatalogRows, IndexRow, TableRow } from "../engine/persistence.ts";
import { must } from "../shared/assert.ts";
import { activeGeneration, loadLastPush } from "./active-app.ts";
import type { CatalogCommitter } from "./ports.ts";
import { loadProgress, type PushProgress, type WalkedTable } from "./push-progress.ts";
import type { PushTicket } from "./push-token.ts";
import { type SchemaDiff } from "./schema-diff.ts";

/** `outdated`: another push finished, or one that began later is under way. `finished`: this very push is done. */
export function pushState(rows: Pick<CatalogRows, "values">, ticket: PushTicket): "open" | "finished" | "outdated" {
  if (loadLastPush(rows.values)?.id === ticket.id) return "finished";
  if (activeGeneration(rows.values) !== ticket.generation) return "outdated";
  const other = loadProgress(rows.values);
  return other !== null && other.id !== ticket.id && other.startedAt > ticket.startedAt ? "outdated" : "open";
}

/** Indexes that have to be filled before the flip. Those of new tables are made at the flip, enabled at once. */
export async function indexRowsToCreate(
  diff: SchemaDiff,
  catalog: Catalog,
  committer: Pick<CatalogCommitter, "allocate">,
): Promise<readonly IndexRow[]> {
  const missing = diff.added.flatMap(({ wanted, row }) => {
    const table = catalog.table(wanted.component, wanted.table);
    return row === null && table !== undefined && !wanted.staged ? [{ tableId: table.id, wanted }] : [];
  });
  if (missing.length === 0) return [];
  const { indexIds } = await committer.allocate({ tables: [], indexes: missing.length });
  return missing.map(({ tableId, wanted }, position) => ({
    id: must(indexIds[position], "allocated index id"),
    tableId,
    name: wanted.name,
    definition: wanted.definition,
    state: "backfilling",
    staged: false,
  }));
}

/** What has to be done to each table before the flip. */
export type Walks = ReadonlyMap<TableId, { readonly indexes: readonly IndexRow[]; readonly validate: boolean }>;

export function wantedWalks(diff: SchemaDiff, created: readonly IndexRow[], validate: readonly TableRow[]): Walks {
  const unfinished = [
    ...created,
    ...diff.added.filter(({ wanted }) => !wanted.staged).flatMap(({ row }) => (row === null ? [] : [row])),
    ...diff.enabled.map(({ row }) => row),
  ].filter((row) => row.state === "backfilling");
  const walks = new Map<TableId, { indexes: IndexRow[]; validate: boolean }>();
  const walk = (tableId: TableId): { indexes: IndexRow[]; validate: boolean } => {
    const found = walks.get(tableId) ?? { indexes: [], validate: false };
    walks.set(tableId, found);
    return found;
  };
  for (const row of unfinished) walk(row.tableId).indexes.push(row);
  for (const row of validate) walk(row.id).validate = true;
  return walks;
}

/** Goes on with stored progress as far as it covers what is wanted now. */
export function reconcile(
  stored: PushProgress | null,
  walks: Walks,
  rows: CatalogRows,
  ticket: PushTicket,
): PushProgress {
  // Without the log, what was written since can't be told from what was checked.
  const logged = stored !== null && rows.head.retainedFrom <= stored.checkedUpTo;
  const tables = [...walks].map(([tableId, { indexes, validate }]): WalkedTable => {
    const before = stored?.tables.find((table) => table.tableId === tableId);
    const covered =
      before !== undefined &&
      (!validate || (before.validate && logged)) &&
      indexes.every((index) => before.indexes.includes(index.id));
    if (covered) return { ...before };
    return { tableId, indexes: indexes.map(({ id }) => id), validate, cursor: null, done: false };
  });
  const checkedUpTo = logged ? stored.checkedUpTo : rows.head.ts;
  return { id: ticket.id, startedAt: ticket.startedAt, checkedUpTo, tables };
}
