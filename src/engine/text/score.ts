import type { FieldEquality } from "../vector-index.ts";
import type { IndexedText } from "./indexed-text.ts";

/** Terms of a search, at least one, the last as a prefix; and values that filter fields must have, by position. */
export interface TextQuery {
  readonly terms: readonly string[];
  readonly filters: readonly FieldEquality[];
}

/** What scores depend on besides the document. */
export interface TextStatistics {
  readonly documents: number;
  /** In all documents: terms, and one for each filter field. */
  readonly terms: number;
  /** Documents that hold each term of the query, or begin one with it. */
  readonly matching: readonly number[];
}

/** How much repetitions count, and how much length. */
export const K1 = 1.2;
export const B = 0.75;

/** Weight of a term: the rarer, the more. Never negative. */
export function termWeight(documents: number, matching: number): number {
  return Math.log1p((Math.max(0, documents - matching) + 0.5) / (matching + 0.5));
}

/** BM25 of a document in float32, `null` when it does not match. */
export function score(
  text: IndexedText | null,
  query: TextQuery,
  filterFields: readonly string[],
  statistics: TextStatistics,
): number | null {
  if (text === null || !matchesFilters(text, query.filters, filterFields)) return null;
  const length = text.terms.length + filterFields.length;
  const average = statistics.documents === 0 ? length : statistics.terms / statistics.documents;
  const counts = new Map<string, number>();
  for (const term of text.terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  let sum = 0;
  let found = false;
  for (const [i, term] of query.terms.entries()) {
    const frequency = i === query.terms.length - 1 ? prefixed(text.terms, term) : (counts.get(term) ?? 0);
    if (frequency === 0) continue;
    found = true;
    const saturation = (frequency * (K1 + 1)) / (frequency + K1 * (1 - B + (B * length) / average));
    sum += termWeight(statistics.documents, statistics.matching[i] ?? 0) * saturation;
  }
  return found ? Math.fround(sum) : null;
}

export function matchesFilters(
  text: IndexedText,
  filters: readonly FieldEquality[],
  filterFields: readonly string[],
): boolean {
  return filters.every(({ field, key }) => text.filters[filterFields.indexOf(field)] === key);
}

function prefixed(terms: readonly string[], prefix: string): number {
  let count = 0;
  for (const term of terms) if (term.startsWith(prefix)) count++;
  return count;
}
