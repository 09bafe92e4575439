import { CodedError, badRequest } from "../shared/coded-error.ts";
import { type JsonObject, type JsonValue, isJsonObject } from "../shared/json.ts";
import { checkConvexJson } from "./convex-json.ts";
import { displayValidator } from "./display-validator.ts";
import { displayValue } from "./display-value.ts";
import { identifierError } from "./identifier.ts";
import { field, valueKind } from "./special-value.ts";
import { ANY, type ObjectField, type ObjectValidator, type Validator } from "./validator.ts";

/** Legacy names on the right-hand side; `map` and `set` are gone as types and accept anything. */
const SIMPLE: Readonly<Record<string, Validator>> = {
  null: { kind: "null" },
  number: { kind: "float64" },
  bigint: { kind: "int64" },
  commitTs: { kind: "commitTs" },
  boolean: { kind: "boolean" },
  string: { kind: "string" },
  bytes: { kind: "bytes" },
  any: ANY,
  map: ANY,
  set: ANY,
};

/** Parses validator JSON (`abi.md` §1.4). Throws a `CodedError` that says what is wrong with it. */
export function compileValidator(json: JsonValue): Validator {
  if (!isJsonObject(json)) throw malformed(json);
  const type = field(json, "type");
  if (typeof type !== "string") throw malformed(json);
  const simple = Object.hasOwn(SIMPLE, type) ? SIMPLE[type] : undefined;
  if (simple !== undefined) return simple;
  switch (type) {
    case "id":
      return compileId(json);
    case "literal":
      return compileLiteral(json);
    case "array":
      return { kind: "array", element: compileValidator(required(json, "value")) };
    case "record":
      return compileRecord(json);
    case "object":
      return compileObject(json);
    case "union": {
      const members = required(json, "value");
      if (!Array.isArray(members)) throw malformed(json);
      return { kind: "union", members: members.map(compileValidator) };
    }
    default:
      throw malformed(json);
  }
}

/** Validator JSON text of `exportArgs()`. Only objects and `v.any()` describe arguments (`abi.md` §1.3). */
export function compileArgsValidator(json: JsonValue): Validator {
  const validator = compileValidator(json);
  if (validator.kind !== "object" && validator.kind !== "any") {
    throw badRequest("InvalidArgsValidator", "Args validator must be an object or any");
  }
  return validator;
}

export function objectValidator(fields: readonly ObjectField[]): ObjectValidator {
  const sorted = fields.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { kind: "object", fields: sorted, names: new Set(sorted.map(({ name }) => name)) };
}

function compileId(json: JsonObject): Validator {
  const tableName = required(json, "tableName");
  if (typeof tableName !== "string") throw malformed(json);
  const reason = identifierError(tableName);
  if (reason !== null) throw badRequest("InvalidValidator", reason);
  return { kind: "id", tableName };
}

function compileLiteral(json: JsonObject): Validator {
  const { value } = checkConvexJson(required(json, "value"));
  switch (valueKind(value)) {
    case "string":
    case "boolean":
    case "int64":
      return { kind: "literal", value };
    case "float64":
      // −0 is written as `$float` too, but it is an ordinary number.
      if (typeof value === "number" || displayValue(value) === "-0.0") return { kind: "literal", value };
  }
  throw badRequest("InvalidValidator", `Value ${displayValue(value)} is not a valid literal.`);
}

function compileRecord(json: JsonObject): Validator {
  const key = compileValidator(required(json, "keys"));
  if (!isStringSubtype(key)) {
    throw badRequest(
      "InvalidRecordType",
      `Records can only have string keys. Your validator contains a record with key typed as \`${displayValidator(key)}\`, which is not a subtype of \`v.string()\``,
    );
  }
  const value = compileField(required(json, "values"), json);
  if (hasStringLiteral(key)) throw badRequest("InvalidRecordType", "Records cannot have string literal keys");
  if (value.optional) throw badRequest("InvalidRecordType", "Records cannot have optional values");
  return { kind: "record", key, value: value.validator };
}

function compileObject(json: JsonObject): Validator {
  const declared = required(json, "value");
  if (!isJsonObject(declared)) throw malformed(json);
  const fields = Object.keys(declared)
    .toSorted()
    .map((name) => {
      const reason = identifierError(name);
      if (reason !== null) throw inField(name, reason);
      try {
        return { name, ...compileField(declared[name], json) };
      } catch (error) {
        throw error instanceof CodedError ? inField(name, error.message) : error;
      }
    });
  return objectValidator(fields);
}

function compileField(
  json: JsonValue | undefined,
  parent: JsonObject,
): { readonly optional: boolean; readonly validator: Validator } {
  if (json === undefined || !isJsonObject(json)) throw malformed(parent);
  const optional = field(json, "optional") ?? false;
  if (typeof optional !== "boolean") throw malformed(parent);
  return { optional, validator: compileValidator(required(json, "fieldType")) };
}

/** An id is a string; so is a union of strings, the empty one included. */
function isStringSubtype(validator: Validator): boolean {
  switch (validator.kind) {
    case "string":
    case "id":
      return true;
    case "literal":
      return typeof validator.value === "string";
    case "union":
      return validator.members.every(isStringSubtype);
    default:
      return false;
  }
}

function hasStringLiteral(validator: Validator): boolean {
  if (validator.kind === "union") return validator.members.some(hasStringLiteral);
  return validator.kind === "literal" && typeof validator.value === "string";
}

function required(json: JsonObject, name: string): JsonValue {
  const value = field(json, name);
  if (value === undefined) throw malformed(json);
  return value;
}

function inField(name: string, reason: string): CodedError {
  return badRequest("InvalidValidator", `Invalid validator for key \`${name}\`: ${reason}`);
}

function malformed(json: JsonValue): CodedError {
  const text = JSON.stringify(json);
  return badRequest("InvalidValidator", `Malformed validator ${text.length > 200 ? `${text.slice(0, 200)}…` : text}`);
}
