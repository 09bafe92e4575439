import { isJsonObject, type JsonValue } from "../shared/json.ts";
import { dependOnApp } from "./dependencies.ts";
import { adminQuery } from "./system-query.ts";

const CREATION_TIME = "_creationTime";

/** How far the documents are checked against the schema of a push under way: whoever pushes is told, nobody else. */
export const schemaValidationProgress = adminQuery({}, () => "null");

/** The schema in force as JSON text. A push that is under way is not stored, so there is never one in progress. */
export const getSchemas = adminQuery({}, (context) => {
  dependOnApp(context);
  const schema = context.deployment.app?.component(context.component)?.schema ?? null;
  return JSON.stringify(schema === null ? {} : { active: JSON.stringify(withWholeIndexes(schema)) });
});

/** Indexes with the field that all of them end in, whether the developer named it or not. */
function withWholeIndexes(schema: JsonValue): JsonValue {
  const tables = isJsonObject(schema) ? schema["tables"] : undefined;
  if (!isJsonObject(schema) || !Array.isArray(tables)) return schema;
  return { ...schema, tables: tables.map(withCreationTime) };
}

function withCreationTime(table: JsonValue): JsonValue {
  if (!isJsonObject(table)) return table;
  const whole = ["indexes", "stagedDbIndexes"].flatMap((kind) => {
    const indexes = table[kind];
    return Array.isArray(indexes) ? [[kind, indexes.map(endingInCreationTime)] as const] : [];
  });
  return { ...table, ...Object.fromEntries(whole) };
}

function endingInCreationTime(index: JsonValue): JsonValue {
  if (!isJsonObject(index) || !Array.isArray(index["fields"])) return index;
  const { fields } = index;
  return fields.at(-1) === CREATION_TIME ? index : { ...index, fields: [...fields, CREATION_TIME] };
}
