import type { Catalog } from "../catalog.ts";
import type { ComponentPath, IndexId, TableId, TableNumber } from "../names.ts";
import type { TableRow } from "../persistence.ts";
import { STORAGE_TABLE, STORAGE_TABLE_NUMBER } from "../tables.ts";

/** `abi.md` §3.6.3: lower numbers belong to system tables. */
const FIRST_USER_TABLE_NUMBER = 10_001;

/** System tables that hold documents have the same number in every component. */
const SYSTEM_TABLE_NUMBERS: Readonly<Record<string, number>> = {
  [STORAGE_TABLE]: STORAGE_TABLE_NUMBER,
  _scheduled_functions: 514,
  _cron_jobs: 515,
  _deleted_files: 516,
  _imports: 517,
  _exports: 518,
};

/**
 * Allocates ids of tables and indexes. A table that several transactions are about to create gets one row for all of
 * them; which of them creates it is decided at commit. Ids handed out and never committed are lost at the next
 * start, when the counters of the catalog count again.
 */
export class IdAllocator {
  #maxTableId: number;
  #maxIndexId: number;
  readonly #reserved = new Map<string, TableRow>();
  readonly #maxNumbers = new Map<ComponentPath, number>();

  constructor(maxTableId: number, maxIndexId: number) {
    this.#maxTableId = maxTableId;
    this.#maxIndexId = maxIndexId;
  }

  /** The table's row: the existing one, or the one it will have. */
  table(catalog: Catalog, component: ComponentPath, name: string): TableRow {
    const existing = catalog.table(component, name);
    if (existing !== undefined) return existing;
    const key = `${component}\u0000${name}`;
    const reserved = this.#reserved.get(key);
    // An import may have brought a table of the same number meanwhile.
    if (reserved !== undefined && catalog.tableByNumber(component, reserved.number) === undefined) return reserved;
    this.#maxTableId += 1;
    const row: TableRow = {
      id: this.#maxTableId as TableId, // Ids are born here.
      component,
      name,
      // Numbers of system tables are given here.
      number: (SYSTEM_TABLE_NUMBERS[name] as TableNumber | undefined) ?? this.#number(catalog, component),
    };
    this.#reserved.set(key, row);
    return row;
  }

  index(): IndexId {
    this.#maxIndexId += 1;
    return this.#maxIndexId as IndexId; // Ids are born here.
  }

  #number(catalog: Catalog, component: ComponentPath): TableNumber {
    let largest = this.#maxNumbers.get(component) ?? FIRST_USER_TABLE_NUMBER - 1;
    for (const table of catalog.tables()) {
      if (table.component === component && table.number > largest) largest = table.number;
    }
    this.#maxNumbers.set(component, largest + 1);
    return (largest + 1) as TableNumber; // Numbers are born here.
  }
}
