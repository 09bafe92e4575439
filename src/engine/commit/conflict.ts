import type { Catalog } from "../catalog.ts";
import type { InternalId } from "../names.ts";
import type { TableRow } from "../persistence.ts";
import type { LogConflict } from "./write-log.ts";

/** Why a transaction has to run again. */
export interface Conflict {
  /**
   * `written`: others changed what it read. `evicted`: whether they did is not known, the log does not reach back to
   * its begin. `restart`: the catalog changed, or another writer took over; nobody is to blame.
   */
  readonly kind: "written" | "evicted" | "restart";
  /** Name of the table that changed, `null` when it is not about one. */
  readonly table: string | null;
  /** The document that changed, `null` when it is not about one. */
  readonly document: { readonly table: TableRow; readonly id: InternalId } | null;
  /** Function that changed it. */
  readonly writer: string | null;
}

export function evictedConflict(): Conflict {
  return { kind: "evicted", table: null, document: null, writer: null };
}

export function restartConflict(): Conflict {
  return { kind: "restart", table: null, document: null, writer: null };
}

export function keyConflict(catalog: Catalog, { ref, key, entry }: LogConflict): Conflict {
  const table = tableOf(catalog, ref);
  if (table === undefined) {
    return { kind: "written", table: "_tables", document: null, writer: entry.source };
  }
  // The last 32 digits of every key are the document's id.
  const id = key.slice(-32) as InternalId;
  return { kind: "written", table: table.name, document: { table, id }, writer: entry.source };
}

function tableOf(catalog: Catalog, ref: string): TableRow | undefined {
  for (const table of catalog.tables()) {
    if (ref === `t${table.id}`) return table;
    if (catalog.indexes(table.id).some((index) => ref === `i${index.id}`)) return table;
  }
  return undefined;
}
