import { Base64, type Value, compareValues } from "convex/values";
import { type JsonObject, type JsonValue, isJsonObject } from "../shared/json.ts";
import { sortedEntries } from "./display-value.ts";
import { type ValueKind, decodeFloat64, decodeInt64, payload, valueKind } from "./special-value.ts";

/** Order across types; `undefined`, a missing field, comes before them all (`abi.md` §3.5). */
const RANK: Readonly<Record<ValueKind, number>> = {
  null: 1,
  int64: 2,
  commitTs: 2,
  float64: 3,
  boolean: 4,
  string: 5,
  bytes: 6,
  array: 7,
  object: 8,
};

const MAX_INT64 = 2n ** 63n - 1n;

/** Total order of canonical ConvexJSON values, the same as `compareValues` of the values they encode. */
export function compareConvexJson(a: JsonValue | undefined, b: JsonValue | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  const kind = valueKind(a);
  const order = RANK[kind] - RANK[valueKind(b)];
  if (order !== 0) return Math.sign(order);
  if (Array.isArray(a) && Array.isArray(b)) return compareArrays(a, b);
  if (kind === "object" && isJsonObject(a) && isJsonObject(b)) return compareObjects(a, b);
  return Math.sign(compareValues(scalar(a), scalar(b)));
}

export function equalConvexJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return compareConvexJson(a, b) === 0;
}

function compareArrays(a: readonly JsonValue[], b: readonly JsonValue[]): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const order = compareConvexJson(a[i], b[i]);
    if (order !== 0) return order;
  }
  return Math.sign(a.length - b.length);
}

function compareObjects(a: JsonObject, b: JsonObject): number {
  const left = sortedEntries(a);
  const right = sortedEntries(b);
  for (const [i, [name, value]] of left.entries()) {
    const opposite = right[i];
    if (opposite === undefined) return 1;
    if (name !== opposite[0]) return name < opposite[0] ? -1 : 1;
    const order = compareConvexJson(value, opposite[1]);
    if (order !== 0) return order;
  }
  return left.length < right.length ? -1 : 0;
}

function scalar(value: JsonValue): Value {
  if (value === null || typeof value !== "object") return value;
  switch (valueKind(value)) {
    case "int64":
      return decodeInt64(value);
    case "commitTs":
      return MAX_INT64;
    case "float64":
      return decodeFloat64(value);
    case "bytes":
      return Uint8Array.from(Base64.toByteArray(payload(value, "$bytes"))).buffer;
    default:
      throw new Error("Not a scalar");
  }
}
