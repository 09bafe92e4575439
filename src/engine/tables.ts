import type { Catalog } from "./catalog.ts";
import { BY_CREATION_TIME, BY_ID, CREATION_TIME_DEFINITION } from "./index-definition.ts";
import { EVERYTHING } from "./interval.ts";
import type { ComponentPath, TableId, TableNumber } from "./names.ts";
import type { IndexRow, TableRow } from "./persistence.ts";
import type { IndexTarget, PendingWrites } from "./pending-writes.ts";
import { type ReadSetRecorder, TABLE_NAMES } from "./read-set.ts";

export const STORAGE_TABLE = "_storage";
/** In every component. */
export const STORAGE_TABLE_NUMBER = 513;

/** System tables that developers may read through `db.system`, never write. */
export const VIRTUAL_SYSTEM_TABLES: ReadonlySet<string> = new Set([STORAGE_TABLE, "_scheduled_functions"]);

export function isSystemTable(name: string): boolean {
  return name.startsWith("_");
}

/**
 * Tables as a transaction sees them: the catalog and the tables it has made itself. Finding nothing is recorded as a
 * dependency, so that whoever brings the table into existence invalidates the reader.
 */
export class Tables {
  readonly #catalog: Catalog;
  readonly #pending: PendingWrites;
  readonly #reads: ReadSetRecorder;

  constructor(catalog: Catalog, pending: PendingWrites, reads: ReadSetRecorder) {
    this.#catalog = catalog;
    this.#pending = pending;
    this.#reads = reads;
  }

  named(component: ComponentPath, name: string): TableRow | null {
    const table =
      this.#catalog.table(component, name) ??
      this.#new((candidate) => candidate.component === component && candidate.name === name);
    if (table === null) this.#reads.addTableName(component, name);
    return table;
  }

  numbered(component: ComponentPath, number: TableNumber): TableRow | null {
    const table =
      this.#catalog.tableByNumber(component, number) ??
      this.#new((candidate) => candidate.component === component && candidate.number === number);
    // Which name will get this number is not known: any new table may be the one.
    if (table === null) this.#reads.addRange(TABLE_NAMES, EVERYTHING);
    return table;
  }

  /** Name of the table an id belongs to, for validators. */
  nameOf(component: ComponentPath, number: number): string | null {
    // Any integer may be asked for; those that number no table find none.
    return this.numbered(component, number as TableNumber)?.name ?? null;
  }

  /** True for a table of which storage can't hold anything yet. */
  isNew(table: TableId): boolean {
    return this.#pending.newTables.has(table);
  }

  /** Tables of developers in all components, for the limit on their number. */
  userTableCount(): number {
    let count = 0;
    for (const { name } of this.#catalog.tables()) if (!isSystemTable(name)) count++;
    return count + this.#pending.newTables.size;
  }

  index(table: TableId, name: string): IndexRow | undefined {
    return this.#catalog.index(table, name);
  }

  #new(matches: (table: TableRow) => boolean): TableRow | null {
    for (const table of this.#pending.newTables.values()) if (matches(table)) return table;
    return null;
  }
}

export const BY_ID_TARGET: IndexTarget = { name: BY_ID, definition: null };

export const BY_CREATION_TIME_TARGET: IndexTarget = { name: BY_CREATION_TIME, definition: CREATION_TIME_DEFINITION };
