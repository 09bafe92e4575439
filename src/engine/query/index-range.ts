import { must, unreachable } from "../../shared/assert.ts";
import { type CodedError, badRequest } from "../../shared/coded-error.ts";
import { isJsonObject, type JsonValue } from "../../shared/json.ts";
import { compareConvexJson } from "../../values/compare.ts";
import { MAX_FIELD_DIGITS, afterPrefix, fieldAt, parsePath } from "../index-key.ts";
import type { Interval } from "../interval.ts";
import type { TableNumber } from "../names.ts";
import { encodeValue } from "../value-key.ts";
import type { Comparison, RangeExpression } from "./definition.ts";
import { type Bound, idBound } from "./id-bound.ts";
import { display } from "./operand.ts";

export interface CompiledRange {
  readonly interval: Interval;
  /** False when the interval may hold rows outside the range, which `holds` tells apart. */
  readonly exact: boolean;
  readonly holds: (document: JsonValue) => boolean;
}

/** The index as error texts name it, its stored fields (`_id` comes implicitly), and its table's number. */
export interface RangeIndex {
  readonly name: string;
  readonly fields: readonly string[];
  readonly tableNumber: TableNumber;
}

const ID = "_id";

/** Conditions to one interval of keys (`abi.md` §2.5.3). Throws its error texts. */
export function compileRange(index: RangeIndex, range: readonly RangeExpression[]): CompiledRange {
  const { equalities, lower, upper } = sortOut(index, range);
  checkFields(index, equalities, (lower ?? upper)?.field);

  // Fields in front of `_id` have an encoding each; `_id` itself is the raw internal id at the end of the key.
  const fixed = index.fields.slice(0, equalities.size).filter((field) => equalities.has(field));
  const prefix = fixed.map((field) => encodeValue(equalities.get(field)?.value)).join("");
  const idEquality = equalities.get(ID);
  const bounds: Bound[] = [];
  for (const expression of idEquality === undefined ? [lower, upper] : [idEquality]) {
    if (expression !== undefined) bounds.push(boundOf(index, prefix, expression));
  }

  let { start, end } = keysBelow(prefix, fixed.at(-1));
  let exact = prefix.length <= MAX_FIELD_DIGITS;
  if (exact) {
    for (const bound of bounds) {
      if (bound.start > start) ({ start } = bound);
      if (bound.end !== null && (end === null || bound.end < end)) ({ end } = bound);
      exact &&= bound.exact;
    }
  }
  return {
    interval: { start, end },
    exact,
    holds: (document) => range.every((condition) => holds(condition, document)),
  };
}

interface SortedRange {
  readonly equalities: ReadonlyMap<string, RangeExpression>;
  readonly lower: RangeExpression | undefined;
  readonly upper: RangeExpression | undefined;
}

function sortOut(index: RangeIndex, range: readonly RangeExpression[]): SortedRange {
  const equalities = new Map<string, RangeExpression>();
  let lower: RangeExpression | undefined;
  let upper: RangeExpression | undefined;
  for (const expression of range) {
    switch (expression.type) {
      case "Eq":
        if (equalities.has(expression.field)) throw alreadyBound("equality", expression);
        equalities.set(expression.field, expression);
        break;
      case "Gt":
      case "Gte":
        if (lower !== undefined) throw alreadyBound("lower", expression);
        lower = expression;
        break;
      case "Lt":
      case "Lte":
        if (upper !== undefined) throw alreadyBound("upper", expression);
        upper = expression;
        break;
    }
  }
  if (lower !== undefined && upper !== undefined && lower.field !== upper.field) {
    throw invalidRange(
      `Upper and lower bounds in \`range\` can only be applied to a single index field. This query against index ${index.name} attempted to set a range bound on both ${quote(lower.field)} and ${quote(upper.field)}. Consider using \`filter\` instead. See https://docs.convex.dev/using/indexes for more info.`,
    );
  }
  const both = equalities.get((lower ?? upper)?.field ?? "");
  if (both !== undefined) throw alreadyBound("inequality", both);
  return { equalities, lower, upper };
}

/** The compared fields must be a prefix of the index's, the one with an inequality last. */
function checkFields(
  { name, fields }: RangeIndex,
  equalities: ReadonlyMap<string, RangeExpression>,
  inequality: string | undefined,
): void {
  const indexFields = [...fields, ID];
  const compared = [...equalities.keys(), ...(inequality === undefined ? [] : [inequality])];
  for (const field of compared) {
    if (!indexFields.includes(field)) {
      throw invalidRange(
        `The index range included a comparison with ${quote(field)}, but ${name} with fields ${list(fields)} doesn't index this field. For more information see https://docs.convex.dev/using/indexes.`,
      );
    }
  }
  const queryFields = indexFields.filter((field) => equalities.has(field));
  if (inequality !== undefined) queryFields.push(inequality);
  const incorrect = queryFields.find((field, position) => field !== indexFields[position]);
  if (incorrect === undefined) return;
  throw invalidRange(
    [
      `Tried to query index ${name} but the query didn't use the index fields in order.`,
      `Index fields: ${list(fields)}`,
      `Query fields: ${list(queryFields)}`,
      `First incorrect field: ${quote(incorrect)}`,
      "For more information see https://docs.convex.dev/using/indexes.",
    ].join("\n"),
  );
}

function boundOf(index: RangeIndex, prefix: string, { type, field, value }: RangeExpression): Bound {
  if (field === ID) return idBound(index.tableNumber, prefix, type, value);
  const key = prefix + encodeValue(value);
  const cut = key.length > MAX_FIELD_DIGITS;
  const { start, end } = keysBelow(key, field);
  switch (type) {
    case "Eq":
      return { start, end, exact: !cut };
    case "Gt":
      // A cut bound keeps the keys that agree with it as far as it goes: their rows are looked at one by one.
      return { start: cut ? start : must(end, "end of a field"), end: null, exact: !cut };
    case "Gte":
      return { start, end: null, exact: !cut };
    case "Lt":
      return { start: "", end: cut ? end : start, exact: !cut };
    case "Lte":
      return { start: "", end, exact: !cut };
    default:
      return unreachable(type);
  }
}

/**
 * Keys whose fields begin with `prefix`, which ends with `lastField`. After any field but the last, `FF` would go on
 * with an escaped zero of a longer value (`""` → `1000`, `"\0"` → `1000FF00`), and no key has it otherwise. After
 * `_creationTime` come the bytes of the id, any of them.
 */
function keysBelow(prefix: string, lastField: string | undefined): Interval {
  const start = prefix.slice(0, MAX_FIELD_DIGITS);
  const open = start.length < prefix.length || lastField === undefined || lastField === "_creationTime";
  return { start, end: open ? afterPrefix(start) : `${start}FF` };
}

function holds({ type, field, value }: RangeExpression, document: JsonValue): boolean {
  if (!isJsonObject(document)) return false;
  const order = compareConvexJson(fieldAt(document, parsePath(field)), value);
  switch (type) {
    case "Eq":
      return order === 0;
    case "Gt":
      return order > 0;
    case "Gte":
      return order >= 0;
    case "Lt":
      return order < 0;
    case "Lte":
      return order <= 0;
    default:
      return unreachable(type);
  }
}

const SIGNS: Readonly<Record<Comparison, string>> = { Eq: "==", Gt: ">", Gte: ">=", Lt: "<", Lte: "<=" };

function alreadyBound(kind: string, { type, field, value }: RangeExpression): CodedError {
  return invalidRange(
    `Already defined ${kind} bound in index range. Can't add ${quote(field)} ${SIGNS[type]} ${display(value)}.`,
  );
}

function list(fields: readonly string[]): string {
  return `[${fields.map(quote).join(", ")}]`;
}

function quote(field: string): string {
  return `"${field}"`;
}

function invalidRange(message: string): CodedError {
  return badRequest("InvalidIndexRange", message);
}
