import { assert } from "../../shared/assert.ts";

/** What D1 takes as one bound value and as one row, in bytes of UTF-8. Production refuses more, miniflare doesn't. */
export const MAX_VALUE_BYTES = 2_000_000;

/** A document whose JSON is longer goes to the overflow table: leaves room for the other columns and JSON brackets. */
export const MAX_INLINE_BYTES = 1_900_000;

/** Pieces of long texts: small enough to fit one value even when every character doubles as a JSON string. */
export const PIECE_BYTES = 900_000;

const MAX_JSON_ARRAY_BYTES = 1_990_000;

/** Length in UTF-8, where a lone surrogate counts 3 (U+FFFD). */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length;) {
    const width = widthAt(text, i);
    bytes += width;
    i += width === 4 ? 2 : 1;
  }
  return bytes;
}

/** Without counting when the answer is certain: a UTF-16 unit is at most 3 bytes of UTF-8. */
export function isLongerThan(text: string, maxBytes: number): boolean {
  if (text.length > maxBytes) return true;
  if (text.length * 3 <= maxBytes) return false;
  return utf8Length(text) > maxBytes;
}

/** A text about to be bound. */
export function boundText(text: string): string {
  assert(!isLongerThan(text, MAX_VALUE_BYTES), () => `a bound text has ${utf8Length(text)} bytes`);
  return text;
}

/** Cuts a text into pieces of at most `maxBytes`, never between two halves of a surrogate pair. At least one piece. */
export function splitText(text: string, maxBytes: number): string[] {
  if (!isLongerThan(text, maxBytes)) return [text];
  const pieces: string[] = [];
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < text.length;) {
    const width = widthAt(text, i);
    if (bytes + width > maxBytes) {
      pieces.push(text.slice(start, i));
      start = i;
      bytes = 0;
    }
    bytes += width;
    i += width === 4 ? 2 : 1;
  }
  pieces.push(text.slice(start));
  return pieces;
}

/** Joins JSON texts into as few JSON arrays as one bound value each allows. No item, no array. */
export function jsonArrays(items: readonly string[]): string[] {
  if (items.length === 0) return [];
  let length = 1;
  for (const item of items) length += item.length + 1;
  if (length * 3 <= MAX_JSON_ARRAY_BYTES) return [`[${items.join()}]`];

  const arrays: string[] = [];
  let group: string[] = [];
  let bytes = 1;
  for (const item of items) {
    const width = utf8Length(item) + 1;
    if (bytes + width > MAX_JSON_ARRAY_BYTES && group.length > 0) {
      arrays.push(`[${group.join()}]`);
      group = [];
      bytes = 1;
    }
    group.push(item);
    bytes += width;
  }
  arrays.push(`[${group.join()}]`);
  return arrays;
}

function widthAt(text: string, i: number): 1 | 2 | 3 | 4 {
  const unit = text.charCodeAt(i);
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  if (unit < 0xd800 || unit > 0xdbff) return 3;
  const next = text.charCodeAt(i + 1);
  return next >= 0xdc00 && next <= 0xdfff ? 4 : 3;
}
