import { isJsonObject, type JsonValue } from "../shared/json.ts";
import type { Interval } from "./interval.ts";
import type { IndexKey, InternalId } from "./names.ts";
import { encodeValue } from "./value-key.ts";

/** Hex digits of the encoded fields that a key keeps: 4096 bytes. */
export const MAX_FIELD_DIGITS = 2 * 4096;

export const ID_DIGITS = 32;

/** Names of a field and of the objects it lies in, outermost first. */
export type FieldPath = readonly string[];

export function parsePath(path: string): FieldPath {
  return path.split(".");
}

/** `undefined` when a step is missing or is not an object. */
export function fieldAt(document: JsonValue, path: FieldPath): JsonValue | undefined {
  let value: JsonValue = document;
  for (const name of path) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined;
    const next: JsonValue | undefined = value[name];
    if (next === undefined) return undefined;
    value = next;
  }
  return value;
}

/**
 * Key of a document in an index on `fields`. Fields that encode to more than 4096 bytes are cut there: such keys are
 * still unique, but documents that agree on the first 4096 bytes are in the order of their ids.
 */
export function indexKey(fields: readonly FieldPath[], document: JsonValue, id: InternalId): IndexKey {
  let key = "";
  for (const path of fields) {
    key += encodeValue(fieldAt(document, path));
    if (key.length > MAX_FIELD_DIGITS) break;
  }
  return (key.slice(0, MAX_FIELD_DIGITS) + id) as IndexKey;
}

/** The document's key in `by_id`. */
export function idKey(id: InternalId): IndexKey {
  return id as string as IndexKey;
}

/** The document that a complete key of any index belongs to. */
export function idOfKey(key: IndexKey): InternalId {
  return key.slice(-ID_DIGITS) as InternalId;
}

/** Every key that begins with `prefix`. */
export function prefixInterval(prefix: string): Interval {
  return { start: prefix, end: afterPrefix(prefix) };
}

/** Smallest bound above every key that begins with `prefix`; `null` when there is none. */
export function afterPrefix(prefix: string): string | null {
  let length = prefix.length;
  while (length > 0 && prefix.endsWith("FF", length)) length -= 2;
  if (length === 0) return null;
  const last = Number.parseInt(prefix.slice(length - 2, length), 16) + 1;
  return prefix.slice(0, length - 2) + last.toString(16).padStart(2, "0").toUpperCase();
}

/** Smallest bound above a complete key. No complete key begins with another one. */
export function afterKey(key: string): string {
  return `${key}00`;
}

/** Just the one complete key. */
export function keyInterval(key: string): Interval {
  return { start: key, end: afterKey(key) };
}
