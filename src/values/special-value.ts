import { Base64 } from "convex/values";
import { type JsonObject, type JsonValue, isJsonObject } from "../shared/json.ts";

/**
 * ConvexJSON writes what plain JSON lacks as an object with exactly one `$` key (`abi.md` §3.1). Every room works on
 * parsed ConvexJSON and asks here what kind of value it holds.
 */
export type ValueKind =
  | "null"
  | "int64"
  | "float64"
  | "boolean"
  | "string"
  | "bytes"
  | "array"
  | "object"
  /** `{"$commitTs":null}`: counts and sorts as the largest int64 until the mutation commits. */
  | "commitTs";

export const SPECIAL_KEYS = ["$integer", "$float", "$bytes", "$commitTs", "$set", "$map"] as const;
export type SpecialKey = (typeof SPECIAL_KEYS)[number];

/** The `$` key of a special object, `null` for an ordinary one. */
export function specialKey(value: JsonObject): SpecialKey | null {
  let only: string | null = null;
  for (const key in value) {
    if (only !== null) return null;
    only = key;
  }
  if (only === null || only.charCodeAt(0) !== 0x24) return null;
  return SPECIAL_KEYS.find((key) => key === only) ?? null;
}

/** Kind of a canonical value. */
export function valueKind(value: JsonValue): ValueKind {
  if (value === null) return "null";
  switch (typeof value) {
    case "number":
      return "float64";
    case "boolean":
      return "boolean";
    case "string":
      return "string";
  }
  if (!isJsonObject(value)) return "array";
  switch (specialKey(value)) {
    case "$integer":
      return "int64";
    case "$float":
      return "float64";
    case "$bytes":
      return "bytes";
    case "$commitTs":
      return "commitTs";
    default:
      return "object";
  }
}

/** An ordinary object, not one that stands for an int64 and the like. */
export function isPlainObject(value: JsonValue | undefined): value is JsonObject {
  return value !== undefined && isJsonObject(value) && specialKey(value) === null;
}

/** Field of an object by any name; names such as `constructor` are not found on the prototype. */
export function field(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Payload of a special object that `convex-json.ts` has accepted. */
export function payload(value: JsonValue, key: "$integer" | "$float" | "$bytes"): string {
  const text = isJsonObject(value) ? value[key] : undefined;
  if (typeof text !== "string") throw new Error(`No ${key} in a value of that kind`);
  return text;
}

export function decodeInt64(value: JsonValue): bigint {
  return view(payload(value, "$integer")).getBigInt64(0, true);
}

/** Any float64, ordinary or special. */
export function decodeFloat64(value: JsonValue): number {
  return typeof value === "number" ? value : view(payload(value, "$float")).getFloat64(0, true);
}

/** `{"$integer": …}` of a bigint that fits into 64 bits. */
export function encodeInt64(value: bigint): JsonObject {
  if (BigInt.asIntN(64, value) !== value) {
    throw new Error(`BigInt ${value} does not fit into a 64-bit signed integer.`);
  }
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value, true);
  return { $integer: Base64.fromByteArray(bytes) };
}

export function encodeFloat64(value: number): JsonValue {
  if (Number.isFinite(value) && !Object.is(value, -0)) return value;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return { $float: Base64.fromByteArray(bytes) };
}

function view(base64: string): DataView {
  return new DataView(Base64.toByteArray(base64).buffer);
}
