import { unreachable } from "../../shared/assert.ts";
import type { JsonValue } from "../../shared/json.ts";
import { compareConvexJson } from "../../values/compare.ts";
import { encodeDocumentId, tryDecodeDocumentId } from "../../values/document-id.ts";
import { afterKey, afterPrefix } from "../index-key.ts";
import type { Interval } from "../interval.ts";
import type { TableNumber } from "../names.ts";
import type { Comparison } from "./definition.ts";

/** The keys one condition allows. */
export interface Bound extends Interval {
  /** False when it allows some too many. */
  readonly exact: boolean;
}

const ID_BITS = 128n;

/** Ids are strings, in keys they are raw: a bound is the first internal id whose text is at or above the value. */
export function idBound(table: TableNumber, prefix: string, type: Comparison, value: JsonValue | undefined): Bound {
  const all = { start: prefix, end: afterPrefix(prefix), exact: true };
  const none = { start: prefix, end: prefix, exact: true };
  if (typeof value !== "string") {
    const idsAreAbove = compareConvexJson("", value) > 0;
    return type !== "Eq" && idsAreAbove === (type === "Gt" || type === "Gte") ? all : none;
  }
  const found = firstIdAtOrAbove(table, value);
  const atOrAbove = found === null ? null : prefix + found.id;
  const above = found?.equal === true && atOrAbove !== null ? afterKey(atOrAbove) : atOrAbove;
  switch (type) {
    case "Eq":
      return found?.equal === true ? { start: atOrAbove ?? prefix, end: above, exact: true } : none;
    case "Gt":
      return above === null ? none : { ...all, start: above };
    case "Gte":
      return atOrAbove === null ? none : { ...all, start: atOrAbove };
    case "Lt":
      return atOrAbove === null ? all : { ...all, end: atOrAbove };
    case "Lte":
      return above === null ? all : { ...all, end: above };
    default:
      return unreachable(type);
  }
}

/**
 * Smallest internal id (32 hex digits) of a table whose document id is at or above any text, `null` when all are
 * below. Document ids of one table are in the order of their internal ids, so a text that is no id is found by
 * bisection.
 */
export function firstIdAtOrAbove(table: TableNumber, text: string): { id: string; equal: boolean } | null {
  const decoded = tryDecodeDocumentId(text);
  if (decoded?.tableNumber === table) return { id: decoded.internalId, equal: true };
  let low = 0n;
  let high = 1n << ID_BITS;
  while (low < high) {
    const middle = (low + high) >> 1n;
    // Ids are ASCII: comparing UTF-16 units orders them against any text like comparing UTF-8 bytes.
    if (encodeDocumentId(table, digits(middle)) >= text) high = middle;
    else low = middle + 1n;
  }
  return low === 1n << ID_BITS ? null : { id: digits(low), equal: false };
}

function digits(id: bigint): string {
  return id.toString(16).toUpperCase().padStart(32, "0");
}
