import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { encodeFloat64, encodeInt64 } from "../values/special-value.ts";

/**
 * The hosted product exports values that JSON has not as strings: int64 in decimal, bytes in base64, infinities and
 * NaN by name. Beside the documents it tells their types in a notation of its own.
 */
export function mentionsSpecialValues(generatedSchema: string): boolean {
  // Strings in it are literal values and names of fields.
  const types = notation(generatedSchema).replaceAll(/"(?:[^"\\]|\\.)*"/g, "");
  return /\b(?:int64|bytes|float64|nan|inf|infinity|unknown)\b/i.test(types.replaceAll(/\bnormalfloat64\b/gi, ""));
}

/** A line of JSON, whose string it is. */
function notation(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "string" ? parsed : text;
  } catch {
    // Not as the hosted product writes it: looked at as it is.
    return text;
  }
}

const INT64 = /^-?\d{1,19}$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const FLOATS: ReadonlyMap<string, number> = new Map([
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
  ["NaN", Number.NaN],
  ["-0", -0],
]);

/** The value as a document has it, by its validator (`abi.md` §4). What the validator does not admit stays as it is. */
export function fromCleanValue(value: JsonValue, validator: JsonValue): JsonValue {
  if (!isJsonObject(validator)) return value;
  const { type, value: inner } = validator;
  switch (type) {
    case "bigint":
      return typeof value === "string" && INT64.test(value) ? encodeInt64(BigInt(value)) : value;
    case "bytes":
      return typeof value === "string" && BASE64.test(value) ? { $bytes: value } : value;
    case "number": {
      const special = typeof value === "string" ? FLOATS.get(value) : undefined;
      return special === undefined ? value : encodeFloat64(special);
    }
    case "array":
      return Array.isArray(value) ? value.map((item: JsonValue) => fromCleanValue(item, inner ?? null)) : value;
    case "object":
      return isJsonObject(value) && isJsonObject(inner) ? cleanFields(value, (name) => fieldType(inner[name])) : value;
    case "record": {
      const values = fieldType(validator["values"]);
      return isJsonObject(value) ? cleanFields(value, () => values) : value;
    }
    case "union":
      return Array.isArray(inner) ? fromCleanMember(value, inner) : value;
    case "literal":
      return isBigLiteral(inner) && typeof value === "string" ? fromCleanValue(value, { type: "bigint" }) : value;
    default:
      return value;
  }
}

function cleanFields(value: JsonObject, typeOf: (name: string) => JsonValue): JsonObject {
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, fromCleanValue(field, typeOf(name))]));
}

/** A string that a member admits as a string is one. Otherwise the first member that makes another value of it counts. */
function fromCleanMember(value: JsonValue, members: readonly JsonValue[]): JsonValue {
  if (typeof value === "string" && members.some((member) => admitsString(member, value))) return value;
  for (const member of members) {
    const converted = fromCleanValue(value, member);
    if (JSON.stringify(converted) !== JSON.stringify(value)) return converted;
  }
  return value;
}

function admitsString(validator: JsonValue, value: string): boolean {
  if (!isJsonObject(validator)) return false;
  const { type, value: inner } = validator;
  if (type === "union") return Array.isArray(inner) && inner.some((member: JsonValue) => admitsString(member, value));
  return type === "string" || type === "id" || type === "any" || (type === "literal" && inner === value);
}

function isBigLiteral(inner: JsonValue | undefined): boolean {
  return isJsonObject(inner) && "$integer" in inner;
}

function fieldType(field: JsonValue | undefined): JsonValue {
  return isJsonObject(field) ? (field["fieldType"] ?? null) : null;
}
