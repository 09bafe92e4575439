import { unreachable } from "../shared/assert.ts";
import { badRequest } from "../shared/coded-error.ts";
import type { Schema, TableSchema } from "./schema.ts";
import type { IndexSchema } from "./schema-indexes.ts";
import type { Validator } from "./validator.ts";

/** Every indexed field must be one that a document can have, and a vector field one that can hold a vector. */
export function checkIndexReferences(schema: Schema): void {
  for (const table of [...schema.tables.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    for (const index of table.indexes) {
      for (const field of referencedFields(index)) checkExists(table, index, field);
    }
    for (const index of table.indexes) checkKind(table, index);
  }
}

/** Names of the tables whose documents may point to `table` with `v.id(…)`. */
export function tablesReferencing(schema: Schema, table: string): readonly string[] {
  const names = [...schema.tables.values()].filter(({ documentType }) => refersTo(documentType, table));
  return names.map(({ name }) => name);
}

/** Why a table of the schema in force can't be deleted; `null` when it can. */
export function tableDeletionError(schema: Schema, table: string): string | null {
  if (schema.tables.has(table)) return `Failed to delete table "${table}" because it appears in the schema`;
  const [referrer] = tablesReferencing(schema, table);
  return referrer === undefined
    ? null
    : `Failed to delete table "${table}" because \`v.id("${table}")\` appears in the schema of table "${referrer}"`;
}

function referencedFields({ definition }: IndexSchema): readonly string[] {
  switch (definition.type) {
    case "database":
      return definition.fields;
    case "search":
      return [definition.searchField, ...definition.filterFields];
    case "vector":
      return [definition.vectorField];
    default:
      return unreachable(definition);
  }
}

function checkExists(table: TableSchema, index: IndexSchema, field: string): void {
  if (canHold(table.documentType, field.split("."), () => true)) return;
  throw badRequest(
    "SchemaDefinitionError",
    `In table "${table.name}" the index "${index.name}" is invalid because it references the field "${field}" that does not exist.`,
  );
}

/** P-V-1, P-T-1. */
function checkKind(table: TableSchema, { name, definition }: IndexSchema): void {
  if (definition.type === "database") return;
  const [field, accepts, wanted] =
    definition.type === "vector"
      ? [definition.vectorField, acceptsVectors, "an array of float64 or optional array of float64"]
      : [definition.searchField, acceptsStrings, "a string or optional string"];
  if (canHold(table.documentType, field.split("."), accepts)) return;
  throw badRequest(
    "SchemaDefinitionError",
    `In table "${table.name}" the ${definition.type} index "${name}" is invalid because it references the field "${field}" that is neither ${wanted}.`,
  );
}

/** True when some document has a field at `path` whose validator `accepts`. */
function canHold(validator: Validator, path: readonly string[], accepts: (field: Validator) => boolean): boolean {
  const [name, ...rest] = path;
  if (name === undefined) return accepts(validator);
  switch (validator.kind) {
    case "any":
      return true;
    case "union":
      return validator.members.some((member) => canHold(member, path, accepts));
    case "object": {
      const field = validator.fields.find((candidate) => candidate.name === name);
      return field !== undefined && canHold(field.validator, rest, accepts);
    }
    default:
      return false;
  }
}

function acceptsVectors(validator: Validator): boolean {
  switch (validator.kind) {
    case "any":
      return true;
    case "array":
      return validator.element.kind === "float64" || validator.element.kind === "any";
    case "union":
      return validator.members.some(acceptsVectors);
    default:
      return false;
  }
}

function acceptsStrings(validator: Validator): boolean {
  switch (validator.kind) {
    case "any":
    case "string":
    case "id":
      return true;
    case "literal":
      return typeof validator.value === "string";
    case "union":
      return validator.members.some(acceptsStrings);
    default:
      return false;
  }
}

function refersTo(validator: Validator, table: string): boolean {
  switch (validator.kind) {
    case "id":
      return validator.tableName === table;
    case "array":
      return refersTo(validator.element, table);
    case "record":
      return refersTo(validator.key, table) || refersTo(validator.value, table);
    case "object":
      return validator.fields.some((field) => refersTo(field.validator, table));
    case "union":
      return validator.members.some((member) => refersTo(member, table));
    default:
      return false;
  }
}
