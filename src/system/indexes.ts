import { v } from "convex/values";
import { BY_CREATION_TIME, orderedFields } from "../engine/index-definition.ts";
import type { IndexDefinition, IndexRow } from "../engine/persistence.ts";
import type { JsonValue } from "../shared/json.ts";
import { dependOnApp, dependOnTableNames } from "./dependencies.ts";
import { adminQuery } from "./system-query.ts";

/**
 * Indexes that the schema gives a table, by name, with how far they are built. This one says `tableNamespace` where
 * the others say `componentId`.
 */
export const indexes = adminQuery(
  { tableName: v.string(), tableNamespace: v.optional(v.union(v.string(), v.null())) },
  (context, { tableName, tableNamespace }) => {
    dependOnApp(context);
    dependOnTableNames(context);
    const { catalog } = context.deployment;
    const table = catalog.table(tableNamespace ?? context.component, tableName);
    const rows = table === undefined ? [] : catalog.indexes(table.id).filter(({ name }) => name !== BY_CREATION_TIME);
    return JSON.stringify(rows.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(describe));
  },
);

function describe({ name, definition, state, staged }: IndexRow): JsonValue {
  return { name, staged, fields: fieldsOf(definition), backfill: { state: STATES[state] } };
}

const STATES = { backfilling: "in_progress", ready: "backfilled", enabled: "done" } as const;

function fieldsOf(definition: IndexDefinition): JsonValue {
  switch (definition.type) {
    case "database":
      return [...orderedFields(definition)];
    case "search":
      return { searchField: definition.searchField, filterFields: [...definition.filterFields] };
    case "vector":
      return {
        vectorField: definition.vectorField,
        dimensions: definition.dimensions,
        filterFields: [...definition.filterFields],
      };
    default:
      return definition satisfies never;
  }
}
