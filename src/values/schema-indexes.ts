import { unreachable } from "../shared/assert.ts";
import { CodedError, badRequest } from "../shared/coded-error.ts";
import { type JsonObject, type JsonValue, isJsonObject } from "../shared/json.ts";
import { checkIndexName, parseFieldPath } from "./identifier.ts";
import type { SchemaLimits } from "./limits.ts";

export interface IndexSchema {
  readonly name: string;
  /** Built and kept up to date, but not to be queried yet. */
  readonly staged: boolean;
  /** As declared: the trailing `_creationTime` and `_id` are the engine's business. */
  readonly definition: IndexSchemaDefinition;
}

export type IndexSchemaDefinition =
  | { readonly type: "database"; readonly fields: readonly string[] }
  | { readonly type: "search"; readonly searchField: string; readonly filterFields: readonly string[] }
  | {
      readonly type: "vector";
      readonly vectorField: string;
      readonly dimensions: number;
      readonly filterFields: readonly string[];
    };

/** The six lists of a table in schema JSON, in the order in which they are checked. */
const LISTS = [
  ["indexes", "database", false],
  ["stagedDbIndexes", "database", true],
  ["searchIndexes", "search", false],
  ["stagedSearchIndexes", "search", true],
  ["vectorIndexes", "vector", false],
  ["stagedVectorIndexes", "vector", true],
] as const;

/** Parses the indexes of one table and checks them against each other (E-F-10). */
export function parseIndexes(table: string, json: JsonObject, limits: SchemaLimits): readonly IndexSchema[] {
  const indexes: IndexSchema[] = [];
  for (const [key, type, staged] of LISTS) {
    for (const item of list(table, json, key)) {
      const name = isJsonObject(item) ? item["indexDescriptor"] : undefined;
      if (!isJsonObject(item) || typeof name !== "string")
        throw malformed(table, `${key} holds an index without a name`);
      checkIndexName(table, name);
      const definition = parseDefinition({ table, name, json: item, limits }, type);
      if (definition.type === "database" && definition.fields.length === 0) {
        throw badRequest(
          "EmptyIndex",
          `In table "${table}" ${staged ? "staged " : ""}index "${name}" must have at least one field.`,
        );
      }
      indexes.push({ name, staged, definition });
    }
  }
  checkCounts(table, indexes, limits);
  checkUnique(table, indexes);
  return indexes;
}

interface Source {
  readonly table: string;
  readonly name: string;
  readonly json: JsonObject;
  readonly limits: SchemaLimits;
}

function parseDefinition(source: Source, type: IndexSchemaDefinition["type"]): IndexSchemaDefinition {
  switch (type) {
    case "database":
      return { type, fields: located(source, () => parseFields(source)) };
    case "search": {
      const searchField = fieldPath(source, source.json["searchField"]);
      return { type, searchField, filterFields: located(source, () => parseFilterFields(source)) };
    }
    case "vector": {
      const vectorField = fieldPath(source, source.json["vectorField"]);
      const filterFields = located(source, () => parseFilterFields(source));
      return { type, vectorField, dimensions: parseDimensions(source), filterFields };
    }
    default:
      return unreachable(type);
  }
}

function parseFields(source: Source): readonly string[] {
  const fields = fieldPaths(source, "fields");
  if (fields.length > source.limits.fieldsPerIndex) {
    const { fieldsPerIndex, notes } = source.limits;
    throw badRequest(
      "IndexTooManyFields",
      `Indexes may have up to ${fieldsPerIndex} fields.${notes?.fieldsPerIndex ?? ""}`,
    );
  }
  for (const field of fields) checkIndexable(field);
  const duplicate = fields.find((field, i) => fields.indexOf(field) !== i);
  if (duplicate !== undefined) {
    throw badRequest(
      "FieldsNotUniqueWithinIndex",
      `Duplicate field "${duplicate}". Index fields must be unique within an index.`,
    );
  }
  return fields;
}

function checkIndexable(field: string): void {
  if (field === "_id") {
    throw badRequest(
      "IndexFieldsContainId",
      "`_id` is not a valid index field. To load documents by ID, use `db.get(id)`.",
    );
  }
  if (field === "_creationTime") {
    throw badRequest(
      "IndexFieldsContainCreationTime",
      "`_creationTime` is automatically added to the end of each index. It should not be added explicitly in the index definition. See https://docs.convex.dev/using/indexes for more details.",
    );
  }
  if (field.startsWith("_")) {
    throw badRequest("IndexFieldNameReserved", "Reserved fields (starting with `_`) are not allowed in indexes.");
  }
}

function parseFilterFields(source: Source): readonly string[] {
  const fields = fieldPaths(source, "filterFields");
  if (fields.length > source.limits.filterFieldsPerIndex) {
    throw badRequest(
      "IndexTooManyFilterFields",
      `Search indexes may have up to ${source.limits.filterFieldsPerIndex} filter fields.${source.limits.notes?.filterFieldsPerIndex ?? ""}`,
    );
  }
  return fields;
}

function parseDimensions({ table, json, name, limits }: Source): number {
  const dimensions = json["dimensions"] ?? json["dimension"];
  if (typeof dimensions !== "number") throw malformed(table, `vector index "${name}" has no dimensions`);
  if (!Number.isInteger(dimensions) || dimensions < limits.minDimensions || dimensions > limits.maxDimensions) {
    throw badRequest(
      "InvalidVectorDimensionError",
      `Dimensions ${dimensions} must be between ${limits.minDimensions} and ${limits.maxDimensions}.`,
    );
  }
  return dimensions;
}

function fieldPaths(source: Source, key: string): readonly string[] {
  const fields = source.json[key] ?? [];
  if (!Array.isArray(fields)) throw malformed(source.table, `${key} of index "${source.name}" is not a list`);
  return fields.map((field: JsonValue) => fieldPath(source, field));
}

function fieldPath({ name }: Source, field: JsonValue | undefined): string {
  try {
    return parseFieldPath(typeof field === "string" ? field : "").join(".");
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const text = typeof field === "string" ? field : JSON.stringify(field ?? null);
    throw new CodedError("BadRequest", "InvalidIndexField", `In index "${name}": Invalid index field: "${text}"`, {
      cause: error,
    });
  }
}

/** Says where the mistake is, for texts that name neither table nor index. */
function located<T>({ table, name }: Source, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof CodedError) || error.code === "InvalidIndexField" || error.code === "InvalidSchema")
      throw error;
    throw new CodedError(error.errorClass, error.code, `In table "${table}": In index "${name}": ${error.message}`, {
      cause: error,
    });
  }
}

function checkCounts(table: string, indexes: readonly IndexSchema[], limits: SchemaLimits): void {
  const count = (type: IndexSchemaDefinition["type"]) =>
    indexes.filter(({ definition }) => definition.type === type).length;
  const rules = [
    [indexes.length, "indexesPerTable", "indexes"],
    [count("search"), "searchIndexesPerTable", "search indexes"],
    [count("vector"), "vectorIndexesPerTable", "vector indexes"],
  ] as const;
  for (const [actual, limit, what] of rules) {
    if (actual <= limits[limit]) continue;
    const note = limits.notes?.[limit] ?? "";
    throw badRequest("TooManyIndexes", `Table "${table}" cannot have more than ${limits[limit]} ${what}.${note}`);
  }
}

/**
 * Names are unique among all indexes of a table. Definitions are unique among the enabled ones and among the staged
 * ones: a staged twin of an enabled index is how one is renamed.
 */
function checkUnique(table: string, indexes: readonly IndexSchema[]): void {
  const names = new Set<string>();
  const definitions = new Map<string, string>();
  for (const { name, staged, definition } of indexes) {
    if (names.has(name)) {
      throw badRequest("IndexNamesNotUnique", `Table "${table}" has two or more definitions of index "${name}".`);
    }
    names.add(name);
    const key = JSON.stringify([staged, identity(definition)]);
    const twin = definitions.get(key);
    if (twin !== undefined) throw sameDefinition(table, definition, twin, name);
    definitions.set(key, name);
  }
}

/** What two definitions of one table must not share. */
function identity(definition: IndexSchemaDefinition): readonly unknown[] {
  switch (definition.type) {
    case "database":
      return ["database", definition.fields];
    case "search":
      return ["search", definition.searchField, definition.filterFields.toSorted()];
    case "vector":
      return ["vector", definition.vectorField, definition.dimensions];
    default:
      return unreachable(definition);
  }
}

function sameDefinition(table: string, definition: IndexSchemaDefinition, a: string, b: string): CodedError {
  switch (definition.type) {
    case "database":
      return badRequest(
        "IndexNotUnique",
        `In table "${table}" index "${a}" and index "${b}" have the same fields. Indexes must be unique within a table.`,
      );
    case "search":
      return badRequest("SearchIndexFieldNotUnique", sameField(table, "search", "Search", "searchField", a, b));
    case "vector":
      return badRequest("VectorIndexFieldNotUnique", sameField(table, "vector", "Vector", "vectorField", a, b));
    default:
      return unreachable(definition);
  }
}

/** The line break and its indentation are part of the text that clients have seen so far. */
function sameField(table: string, kind: string, title: string, field: string, a: string, b: string): string {
  return (
    `In table "${table}" ${kind} index "${a}" and ${kind} index "${b}" have the same \`${field}\`. ` +
    `${title} index fields must be unique within a table. You should combine the\n             ` +
    `indexes with the same \`${field}\` into one index containing all \`filterField\`s and then use different subsets of the \`filterField\`s at query time.`
  );
}

function list(table: string, json: JsonObject, key: string): readonly JsonValue[] {
  const items = json[key] ?? [];
  if (!Array.isArray(items)) throw malformed(table, `${key} is not a list`);
  return items;
}

function malformed(table: string, what: string): CodedError {
  return badRequest(
    "InvalidSchema",
    `Default export from schema file isn't a Convex schema: in table "${table}" ${what}.`,
  );
}
