import type { Catalog } from "../engine/catalog.ts";
import type { ComponentPath } from "../engine/names.ts";
import type { IndexDefinition, IndexRow, TableRow } from "../engine/persistence.ts";
import type { SchemaJson } from "../protocol/app.ts";
import { canonicalJson } from "./digest.ts";

/** Schemas of the mounted components. */
export type Schemas = ReadonlyMap<ComponentPath, SchemaJson | null>;

/** An index as a schema asks for it. */
export interface WantedIndex {
  readonly component: ComponentPath;
  readonly table: string;
  readonly name: string;
  readonly definition: IndexDefinition;
  readonly staged: boolean;
}

export interface KeptIndex {
  readonly wanted: WantedIndex;
  readonly row: IndexRow;
}

export interface RemovedIndex {
  readonly component: ComponentPath;
  readonly table: TableRow;
  readonly row: IndexRow;
}

/** What turns the catalog's indexes into those of the schemas. Of unmounted components nothing is touched. */
export interface SchemaDiff {
  /** Tables of the schemas that do not exist yet. */
  readonly newTables: readonly { readonly component: ComponentPath; readonly name: string }[];
  /** `row` is there when this push, or an earlier one that never finished, began to build the index. */
  readonly added: readonly { readonly wanted: WantedIndex; readonly row: IndexRow | null }[];
  readonly identical: readonly KeptIndex[];
  /** Staged so far, to be queried from now on. */
  readonly enabled: readonly KeptIndex[];
  /** Queried so far, staged from now on. */
  readonly disabled: readonly KeptIndex[];
  readonly removed: readonly RemovedIndex[];
  /** Begun by a push that never finished, and wanted no more. */
  readonly abandoned: readonly IndexRow[];
}

export function diffSchemas(catalog: Catalog, schemas: Schemas): SchemaDiff {
  const diff = {
    newTables: [] as { component: ComponentPath; name: string }[],
    added: [] as { wanted: WantedIndex; row: IndexRow | null }[],
    identical: [] as KeptIndex[],
    enabled: [] as KeptIndex[],
    disabled: [] as KeptIndex[],
    removed: [] as RemovedIndex[],
    abandoned: [] as IndexRow[],
  };
  const kept = new Set<IndexRow>();
  for (const [component, schema] of schemas) {
    for (const { tableName } of schema?.tables ?? []) {
      if (catalog.table(component, tableName) === undefined) diff.newTables.push({ component, name: tableName });
    }
    for (const wanted of wantedIndexes(component, schema)) {
      const table = catalog.table(component, wanted.table);
      const rows = table === undefined ? [] : catalog.indexes(table.id).filter((row) => isSame(row, wanted));
      const row = rows.find(isLive) ?? rows[0] ?? null;
      if (row !== null) kept.add(row);
      if (row === null || !isLive(row)) diff.added.push({ wanted, row });
      else if (row.staged === wanted.staged) diff.identical.push({ wanted, row });
      else (wanted.staged ? diff.disabled : diff.enabled).push({ wanted, row });
    }
  }
  for (const table of catalog.tables()) {
    if (!schemas.has(table.component)) continue;
    for (const row of catalog.indexes(table.id)) {
      if (kept.has(row) || !isDeclared(row)) continue;
      if (isLive(row)) diff.removed.push({ component: table.component, table, row });
      else diff.abandoned.push(row);
    }
  }
  return diff;
}

/**
 * Belongs to the active app. A push under way builds its indexes as unstaged rows that are not enabled, so that
 * nothing queries them; only the flip makes staged rows.
 */
function isLive(row: IndexRow): boolean {
  return row.state === "enabled" || row.staged;
}

/** `by_creation_time` belongs to the table, not to a schema. */
function isDeclared(row: IndexRow): boolean {
  return row.name !== "by_creation_time";
}

function isSame(row: IndexRow, wanted: WantedIndex): boolean {
  return (
    row.name === wanted.name &&
    canonicalJson(comparable(row.definition)) === canonicalJson(comparable(wanted.definition))
  );
}

/** Filter fields are a set. */
function comparable(definition: IndexDefinition): object {
  return definition.type === "database"
    ? definition
    : { ...definition, filterFields: definition.filterFields.toSorted() };
}

function* wantedIndexes(component: ComponentPath, schema: SchemaJson | null): Iterable<WantedIndex> {
  for (const table of schema?.tables ?? []) {
    const wanted = (name: string, definition: IndexDefinition, staged: boolean): WantedIndex => ({
      component,
      table: table.tableName,
      name,
      definition,
      staged,
    });
    for (const [indexes, staged] of [
      [table.indexes, false],
      [table.stagedDbIndexes, true],
    ] as const) {
      for (const { indexDescriptor, fields } of indexes) {
        yield wanted(indexDescriptor, { type: "database", fields }, staged);
      }
    }
    for (const [indexes, staged] of [
      [table.searchIndexes, false],
      [table.stagedSearchIndexes, true],
    ] as const) {
      for (const { indexDescriptor, searchField, filterFields } of indexes) {
        yield wanted(indexDescriptor, { type: "search", searchField, filterFields }, staged);
      }
    }
    for (const [indexes, staged] of [
      [table.vectorIndexes, false],
      [table.stagedVectorIndexes, true],
    ] as const) {
      for (const { indexDescriptor, vectorField, dimensions, filterFields } of indexes) {
        yield wanted(indexDescriptor, { type: "vector", vectorField, dimensions, filterFields }, staged);
      }
    }
  }
}
