import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { canonicalJson } from "./digest.ts";

/** Literal JSON type → the validator that takes every such literal. Int64 literals are objects. */
const LITERAL_TYPES: Readonly<Record<string, string>> = {
  string: "string",
  number: "number",
  boolean: "boolean",
  object: "bigint",
};

/**
 * Whether every value that matches `narrow` also matches `wide`, both validator JSON. May answer false when it is
 * not sure: then documents are checked one by one. `null` stands for no validator, which matches everything.
 */
export function isSubset(narrow: JsonValue | null, wide: JsonValue | null): boolean {
  if (wide === null || (isJsonObject(wide) && wide["type"] === "any")) return true;
  if (narrow === null || !isJsonObject(narrow) || !isJsonObject(wide)) return false;
  if (canonicalJson(narrow) === canonicalJson(wide)) return true;
  if (narrow["type"] === "union") return list(narrow["value"]).every((member) => isSubset(member, wide));
  if (wide["type"] === "union") return list(wide["value"]).some((member) => isSubset(narrow, member));
  switch (narrow["type"]) {
    case "literal":
      return wide["type"] === LITERAL_TYPES[typeof narrow["value"]];
    case "id":
      return wide["type"] === "string";
    case "array":
      return wide["type"] === "array" && isSubset(narrow["value"] ?? null, wide["value"] ?? null);
    case "record":
      return (
        wide["type"] === "record" &&
        isSubset(narrow["keys"] ?? null, wide["keys"] ?? null) &&
        isSubset(fieldType(narrow["values"]), fieldType(wide["values"]))
      );
    case "object":
      return wide["type"] === "object" && areFieldsSubset(fields(narrow["value"]), fields(wide["value"]));
    default:
      return false;
  }
}

/** Objects are exact: a field that only `narrow` has is refused by `wide`. */
function areFieldsSubset(narrow: JsonObject, wide: JsonObject): boolean {
  for (const [name, field] of Object.entries(narrow)) {
    const target = wide[name];
    if (target === undefined) return false;
    if (isOptional(field) && !isOptional(target)) return false;
    if (!isSubset(fieldType(field), fieldType(target))) return false;
  }
  return Object.entries(wide).every(([name, field]) => Object.hasOwn(narrow, name) || isOptional(field));
}

function fieldType(field: JsonValue | undefined): JsonValue | null {
  return isJsonObject(field) ? (field["fieldType"] ?? null) : null;
}

function isOptional(field: JsonValue): boolean {
  return isJsonObject(field) && field["optional"] === true;
}

function fields(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function list(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}
