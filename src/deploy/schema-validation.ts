import type { Catalog } from "../engine/catalog.ts";
import type { ComponentPath } from "../engine/names.ts";
import type { TableRow } from "../engine/persistence.ts";
import type { SchemaJson, TableSchemaJson } from "../protocol/app.ts";
import type { Schemas } from "./schema-diff.ts";
import type { TableNames } from "./ports.ts";
import { isSubset } from "./validator-subset.ts";

/**
 * What a push must do about the documents of a table. `supersetOfEnforced`: whatever the schema in force let in
 * matches the new one too. `supersetOfShape`: the table does not exist, so it holds nothing that could fail.
 */
export type ValidationOutcome = "notValidated" | "supersetOfEnforced" | "supersetOfShape" | "mustWalk";

export function validationOutcome(
  next: SchemaJson,
  table: TableSchemaJson,
  enforced: SchemaJson | null,
  row: TableRow | undefined,
): ValidationOutcome {
  if (!next.schemaValidation) return "notValidated";
  const before =
    enforced?.schemaValidation === true
      ? (enforced.tables.find((candidate) => candidate.tableName === table.tableName)?.documentType ?? null)
      : null;
  if (isSubset(before, table.documentType)) return "supersetOfEnforced";
  return row === undefined ? "supersetOfShape" : "mustWalk";
}

/** Tables whose documents must be looked at one by one. */
export function tablesToWalk(catalog: Catalog, next: Schemas, enforced: Schemas): readonly TableRow[] {
  const tables: TableRow[] = [];
  for (const [component, schema] of next) {
    for (const table of schema?.tables ?? []) {
      const row = catalog.table(component, table.tableName);
      if (schema === null || row === undefined) continue;
      if (validationOutcome(schema, table, enforced.get(component) ?? null, row) === "mustWalk") tables.push(row);
    }
  }
  return tables;
}

export function tableNames(catalog: Catalog, component: ComponentPath): TableNames {
  const names = new Map<number, string>();
  for (const table of catalog.tables()) if (table.component === component) names.set(table.number, table.name);
  return { tableName: (tableNumber) => names.get(tableNumber) ?? null };
}
