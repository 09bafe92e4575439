import { toHex } from "../../shared/bytes.ts";
import { prefixInterval } from "../index-key.ts";
import type { Interval } from "../interval.ts";
import type { IndexKey, InternalId } from "../names.ts";
import type { IndexedText } from "./indexed-text.ts";

/**
 * Where a text index lies in read sets and in the commit log: a key per term and document, the term's first bytes and
 * then the id. Nothing is stored under these keys. Terms that agree on their first bytes share them, and a document
 * of very many terms has a single key which every search depends on: some invalidations too many, none too few.
 */
const KEPT_BYTES = 8;

const MOST_TERMS = 128;

/** UTF-8 has no such byte. */
const ANY_TERM = "FF";

const END = "00";

const encoder = new TextEncoder();

/** Keys of a document that has entered, left or changed its place under these terms. */
export function termKeys(texts: readonly (IndexedText | null)[], id: InternalId): readonly IndexKey[] {
  const prefixes = new Set<string>();
  for (const text of texts) {
    for (const term of text?.terms ?? []) prefixes.add(keptBytes(term));
  }
  // Complete keys of this index by definition.
  if (prefixes.size > MOST_TERMS) return [(ANY_TERM + id) as IndexKey];
  return Array.from(prefixes, (prefix) => (prefix + END + id) as IndexKey);
}

/** What a search for these terms depends on, the last of them as a prefix. */
export function termIntervals(terms: readonly string[]): readonly Interval[] {
  const intervals = terms.map((term, i) => {
    const kept = keptBytes(term);
    const whole = i < terms.length - 1 || kept.length >= 2 * KEPT_BYTES;
    return prefixInterval(whole ? kept + END : kept);
  });
  return [...intervals, { start: ANY_TERM, end: null }];
}

function keptBytes(term: string): string {
  return toHex(encoder.encode(term).subarray(0, KEPT_BYTES));
}
