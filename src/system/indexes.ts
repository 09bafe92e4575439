import { v } from "convex/values";
import { BY_CREATION_TIME } from "../engine/index-definition.ts";
import type { IndexDefinition, IndexRow } from "../engine/persistence.ts";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import { dependOnTables, dependOnIndexes } from "./dependencies.ts";
import { adminQuery, inComponentOf } from "./system-query.ts";

/** Indexes that a table's schema declares, with how far they are. `null`: there is no such table. */
export const indexes = adminQuery(
  { tableName: v.optional(v.union(v.string(), v.null())), tableNamespace: v.optional(v.union(v.string(), v.null())) },
  (context, { tableName, tableNamespace }) => {
    dependOnIndexes(context);
    dependOnTables(context);
    const { deployment, transaction, component } = inComponentOf(context, tableNamespace);
    const table = typeof tableName === "string" ? transaction.tables.named(component, tableName) : null;
    if (table === null) return "null";
    return JSON.stringify(declared(deployment.catalog.indexes(table.id)).map(described));
  },
);

/** Those of the app's tables that are not complete yet. How far they are is not counted. */
export const backfillingIndexes = adminQuery({}, (context) => {
  dependOnIndexes(context);
  const { catalog } = context.deployment;
  const unfinished = [...catalog.tables()]
    .filter(({ component }) => component === "")
    .flatMap((table) =>
      declared(catalog.indexes(table.id))
        .filter(({ state }) => state === "backfilling")
        .map(({ name, definition, staged }): JsonObject => ({
          tableName: table.name,
          name,
          kind: definition.type,
          staged,
          stats: null,
        })),
    );
  return JSON.stringify(unfinished.toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1)));
});

/** Those of every table of the component. */
export const allIndexes = adminQuery({}, (context) => {
  dependOnIndexes(context);
  const { catalog } = context.deployment;
  const found = [...catalog.tables()]
    .filter(({ component }) => component === context.component)
    .flatMap((table) =>
      declared(catalog.indexes(table.id)).map(({ name, definition, state }): JsonObject => ({
        table: table.name,
        name,
        fields: fieldsOf(definition),
        backfill: { state: state === "backfilling" ? "in_progress" : "done" },
      })),
    );
  return JSON.stringify({ indexes: found });
});

function declared(rows: readonly IndexRow[]): readonly IndexRow[] {
  return rows.filter(({ name }) => name !== BY_CREATION_TIME);
}

function described({ name, definition, state, staged }: IndexRow): JsonObject {
  return { name, staged, fields: fieldsOf(definition), backfill: { state: STATES[state] } };
}

const STATES = { backfilling: "backfilling", ready: "backfilled", enabled: "done" } as const;

function fieldsOf(definition: IndexDefinition): JsonValue {
  switch (definition.type) {
    case "database":
      return definition.fields;
    case "search":
      return { searchField: definition.searchField, filterFields: definition.filterFields };
    case "vector":
      return {
        vectorField: definition.vectorField,
        filterFields: definition.filterFields,
        dimensions: definition.dimensions,
      };
    default:
      return definition satisfies never;
  }
}

function sortKey({ tableName, name }: JsonObject): string {
  return JSON.stringify([tableName, name]);
}
