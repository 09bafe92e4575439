import type { JsonValue } from "../shared/json.ts";
import type { ComponentPath, TableId, TableNumber } from "./names.ts";
import type { CatalogRows, IndexRow, TableRow } from "./persistence.ts";
import type { Timestamp } from "./timestamp.ts";

/** Tables and indexes at one catalog timestamp. Immutable: a change makes a new one. */
export class Catalog {
  readonly ts: Timestamp;
  readonly #byName = new Map<string, TableRow>();
  readonly #byNumber = new Map<string, TableRow>();
  readonly #byId = new Map<TableId, TableRow>();
  readonly #indexes = new Map<TableId, IndexRow[]>();
  readonly values: ReadonlyMap<string, JsonValue>;

  constructor(
    rows: Pick<CatalogRows, "tables" | "indexes" | "values"> & { readonly head: { readonly catalogTs: Timestamp } },
  ) {
    this.ts = rows.head.catalogTs;
    this.values = rows.values;
    for (const table of rows.tables) {
      this.#byName.set(tableKey(table.component, table.name), table);
      this.#byNumber.set(tableKey(table.component, table.number), table);
      this.#byId.set(table.id, table);
      this.#indexes.set(table.id, []);
    }
    for (const index of rows.indexes) this.#indexes.get(index.tableId)?.push(index);
  }

  table(component: ComponentPath, name: string): TableRow | undefined {
    return this.#byName.get(tableKey(component, name));
  }

  tableByNumber(component: ComponentPath, number: TableNumber): TableRow | undefined {
    return this.#byNumber.get(tableKey(component, number));
  }

  tableById(id: TableId): TableRow | undefined {
    return this.#byId.get(id);
  }

  tables(): Iterable<TableRow> {
    return this.#byId.values();
  }

  /** Every stored index of a table, `by_creation_time` included, in any state. `by_id` is the table itself. */
  indexes(table: TableId): readonly IndexRow[] {
    return this.#indexes.get(table) ?? [];
  }

  /** While a push replaces an index by another of the same name there are two: the one that is queried. */
  index(table: TableId, name: string): IndexRow | undefined {
    const named = this.indexes(table).filter((index) => index.name === name);
    return named.find((index) => index.state === "enabled") ?? named[0];
  }
}

function tableKey(component: ComponentPath, table: string | TableNumber): string {
  return `${component}\u0000${table}`;
}
