import { toHex } from "../../shared/bytes.ts";
import type { JsonValue } from "../../shared/json.ts";
import { Catalog } from "../catalog.ts";
import type { ComponentPath, IndexId, IndexKey, TableId } from "../names.ts";
import { isStagingComponent } from "../staging.ts";
import type { Interval } from "../interval.ts";
import type { CatalogChange, CatalogRows, IndexRow, LoggedTransaction, TableRow } from "../persistence.ts";
import type { Timestamp } from "../timestamp.ts";
import type { NewTable } from "../write-set.ts";
import type { IdAllocator } from "./allocator.ts";

/** A catalog change from outside a transaction: a push, an environment variable. */
export interface CatalogCommit {
  readonly change: CatalogChange;
  /** The catalog that the change was computed from. */
  readonly expectedCatalogTs: Timestamp;
  /** Refuses the commit when a document of one of these tables was written after `ts`, or may have been. */
  readonly unwrittenSince?: { readonly ts: Timestamp; readonly tables: readonly TableId[] };
}

export type CatalogCommitResult =
  /** Durable, and visible to every later read. `ts` is the new `Head.catalogTs`. */
  | { readonly ok: true; readonly ts: Timestamp }
  /** Nothing was changed: compute the change again from the present state. */
  | { readonly ok: false; readonly reason: "catalogChanged" | "documentsChanged" };

/** Rows of the catalog that can be changed into the rows of the next one. */
export class CatalogState {
  readonly #tables: ReadonlyMap<TableId, TableRow>;
  readonly #indexes: ReadonlyMap<IndexId, IndexRow>;
  readonly #values: ReadonlyMap<string, JsonValue>;
  readonly catalog: Catalog;

  constructor(
    tables: ReadonlyMap<TableId, TableRow>,
    indexes: ReadonlyMap<IndexId, IndexRow>,
    values: ReadonlyMap<string, JsonValue>,
    catalogTs: Timestamp,
  ) {
    this.#tables = tables;
    this.#indexes = indexes;
    this.#values = values;
    this.catalog = new Catalog({
      tables: [...tables.values()],
      indexes: [...indexes.values()],
      values,
      head: { catalogTs },
    });
  }

  static load(rows: CatalogRows): CatalogState {
    return new CatalogState(
      new Map(rows.tables.map((table) => [table.id, table])),
      new Map(rows.indexes.map((index) => [index.id, index])),
      rows.values,
      rows.head.catalogTs,
    );
  }

  /**
   * False when ids or names of the change are taken by something else: they were allocated by an object that has
   * been replaced since.
   */
  fits(change: CatalogChange): boolean {
    const dropped = new Set(change.dropTables);
    const tablesFit = (change.upsertTables ?? []).every((table) => {
      const same = this.#tables.get(table.id);
      const named = this.catalog.table(table.component, table.name);
      const numbered = this.catalog.tableByNumber(table.component, table.number);
      return (
        (same === undefined || (mayMove(same, table) && same.number === table.number)) &&
        (named === undefined || named.id === table.id || dropped.has(named.id)) &&
        (numbered === undefined || numbered.id === table.id || dropped.has(numbered.id))
      );
    });
    return (
      tablesFit &&
      (change.upsertIndexes ?? []).every((index) => {
        const same = this.#indexes.get(index.id);
        return same === undefined || (same.tableId === index.tableId && same.name === index.name);
      })
    );
  }

  apply(change: CatalogChange, ts: Timestamp): CatalogState {
    const tables = new Map(this.#tables);
    const indexes = new Map(this.#indexes);
    const values = new Map(this.#values);
    for (const id of change.dropTables ?? []) tables.delete(id);
    for (const table of change.upsertTables ?? []) tables.set(table.id, table);
    for (const index of change.upsertIndexes ?? []) indexes.set(index.id, index);
    for (const id of change.dropIndexes ?? []) indexes.delete(id);
    for (const { key, value } of change.values ?? []) {
      if (value === null) values.delete(key);
      else values.set(key, value);
    }
    return new CatalogState(tables, indexes, values, ts);
  }
}

/** A table stays in its component for good, but for one that was filled out of sight. */
function mayMove(from: TableRow, to: TableRow): boolean {
  return from.component === to.component || isStagingComponent(from.component);
}

/** Every table has a stored index `by_creation_time`, from its first commit on. */
export function withCreationTimeIndexes(catalog: Catalog, change: CatalogChange, ids: IdAllocator): CatalogChange {
  const added: IndexRow[] = [];
  for (const table of change.upsertTables ?? []) {
    const present =
      catalog.index(table.id, CREATION_TIME) ??
      change.upsertIndexes?.find((index) => index.tableId === table.id && index.name === CREATION_TIME);
    if (present === undefined) {
      added.push({
        id: ids.index(),
        tableId: table.id,
        name: CREATION_TIME,
        definition: { type: "database", fields: ["_creationTime"] },
        state: "enabled",
        staged: false,
      });
    }
  }
  return added.length === 0 ? change : { ...change, upsertIndexes: [...(change.upsertIndexes ?? []), ...added] };
}

export function newTablesChange(newTables: readonly NewTable[]): CatalogChange {
  return { upsertTables: newTables.map(({ table }) => table) };
}

/** Log keys of a catalog change: `"tables"` for names of tables, `"catalog"` for the rest. */
export function catalogKeys(change: CatalogChange): LoggedTransaction["keys"] {
  const keys: (readonly [string, IndexKey])[] = [];
  for (const table of change.upsertTables ?? []) keys.push(["tables", tableNameKey(table.component, table.name)]);
  for (const index of change.upsertIndexes ?? []) keys.push(["catalog", hexText(`index:${index.id}`)]);
  for (const id of change.dropIndexes ?? []) keys.push(["catalog", hexText(`index:${id}`)]);
  for (const { key } of change.values ?? []) keys.push(["catalog", hexText(`value:${key}`)]);
  return keys;
}

/** Keys under which the log tells of changes to the named values that begin with `prefix`, which ends in ASCII. */
export function catalogValuePrefix(prefix: string): Interval {
  const bytes = new TextEncoder().encode(`value:${prefix}`);
  const end = Uint8Array.from(bytes);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return { start: toHex(bytes), end: toHex(end) };
}

/** Key of a table's name in the index `"tables"`. */
export function tableNameKey(component: ComponentPath, name: string): IndexKey {
  return hexText(`${component}\u0000${name}`);
}

const CREATION_TIME = "by_creation_time";

function hexText(text: string): IndexKey {
  return toHex(new TextEncoder().encode(text)) as IndexKey; // Catalog keys are hex of UTF-8 by definition.
}
