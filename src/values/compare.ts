import { compareValues, jsonToConvex } from "convex/values";
import { type JsonObject, type JsonValue, isJsonObject } from "../shared/json.ts";
import { sortedEntries } from "./display-value.ts";
import { type ValueKind, decodeFloat64, valueKind } from "./special-value.ts";

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

/** Total order of canonical ConvexJSON values, the same as `compareValues` of the values they encode. */
export function compareConvexJson(a: JsonValue | undefined, b: JsonValue | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  const kind = valueKind(a);
  const order = RANK[kind] - RANK[valueKind(b)];
  if (order !== 0) return Math.sign(order);
  if (kind === "float64") return compareValues(decodeFloat64(a), decodeFloat64(b));
  if (Array.isArray(a) && Array.isArray(b)) return compareArrays(a, b);
  if (kind === "object" && isJsonObject(a) && isJsonObject(b)) return compareObjects(a, b);
  return Math.sign(compareValues(toValue(a), toValue(b)));
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

/** Scalars only: `jsonToConvex` wants a mutable type, but leaves its argument alone. */
function toValue(scalar: JsonValue): ReturnType<typeof jsonToConvex> {
  return isJsonObject(scalar) ? jsonToConvex({ ...scalar } as Parameters<typeof jsonToConvex>[0]) : toScalar(scalar);
}

function toScalar(scalar: JsonValue): null | boolean | number | string {
  if (typeof scalar === "object" && scalar !== null) throw new Error("Not a scalar");
  return scalar;
}
