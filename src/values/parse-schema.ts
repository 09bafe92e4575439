import { type CodedError, badRequest } from "../shared/coded-error.ts";
import { type JsonValue, isJsonObject } from "../shared/json.ts";
import { displayValidator } from "./display-validator.ts";
import { checkTableName } from "./identifier.ts";
import { SCHEMA_LIMITS, type SchemaLimits } from "./limits.ts";
import type { Schema, TableSchema } from "./schema.ts";
import { parseIndexes } from "./schema-indexes.ts";
import { checkIndexReferences } from "./schema-references.ts";
import { isSystemField } from "./stored-document.ts";
import { compileValidator, objectValidator } from "./compile-validator.ts";
import { ANY, type Validator } from "./validator.ts";

/** Parses and checks a schema. Throws a `CodedError` with the text of the first mistake. */
export function parseSchema(json: JsonValue, limits: SchemaLimits = SCHEMA_LIMITS): Schema {
  if (!isJsonObject(json) || !Array.isArray(json["tables"])) throw malformed("it has no list of tables");
  const listed: readonly JsonValue[] = json["tables"];
  if (listed.length > limits.tables) {
    throw badRequest("TooManyTables", `Number of tables cannot exceed ${limits.tables}.${limits.notes?.tables ?? ""}`);
  }
  const tables = new Map<string, TableSchema>();
  for (const item of listed) {
    const table = parseTable(item, limits);
    if (tables.has(table.name)) throw malformed(`table "${table.name}" is defined twice`);
    tables.set(table.name, table);
  }
  const schema: Schema = { tables, schemaValidation: json["schemaValidation"] === true };
  checkIndexReferences(schema);
  return schema;
}

function parseTable(json: JsonValue, limits: SchemaLimits): TableSchema {
  if (!isJsonObject(json)) throw malformed("a table is not an object");
  const name = json["tableName"];
  if (typeof name !== "string") throw malformed("a table has no name");
  checkTableName(name);
  // Takes no part in enforcement, but a broken one is a mistake all the same.
  parseDocumentType(json["stagedDocumentType"]);
  return { name, indexes: parseIndexes(name, json, limits), documentType: parseDocumentType(json["documentType"]) };
}

function parseDocumentType(json: JsonValue | undefined): Validator {
  const validator = json === undefined || json === null ? ANY : compileValidator(json);
  if (validator.kind === "any") return validator;
  if (validator.kind === "object") return withoutSystemFields(validator);
  if (validator.kind === "union" && validator.members.every(({ kind }) => kind === "object")) {
    return { kind: "union", members: validator.members.map(withoutSystemFields) };
  }
  throw badRequest(
    "InvalidTopLevelTypeInSchemaError",
    `The document validator in a schema must be an object, a union of objects, or \`v.any()\`. Found ${displayValidator(validator)}. To learn more, see the schema documentation at https://docs.convex.dev/database/schemas.`,
  );
}

function withoutSystemFields(validator: Validator): Validator {
  if (validator.kind !== "object") return validator;
  return objectValidator(validator.fields.filter(({ name }) => !isSystemField(name)));
}

function malformed(what: string): CodedError {
  return badRequest("InvalidSchema", `Default export from schema file isn't a Convex schema: ${what}.`);
}
