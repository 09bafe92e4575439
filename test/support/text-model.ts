import type { SearchDefinition } from "../../src/engine/derived-index.ts";
import type { InternalId } from "../../src/engine/names.ts";
import type { StoredDocument } from "../../src/engine/persistence.ts";
import { indexedText } from "../../src/engine/text/indexed-text.ts";
import { score, type TextQuery, type TextStatistics } from "../../src/engine/text/score.ts";
import { compareHits, type TextHit } from "../../src/engine/text/text-index.ts";

/** Looks at every document: what a text index must answer. */
export function searchAll(
  documents: Iterable<readonly [InternalId, StoredDocument]>,
  definition: SearchDefinition,
  query: TextQuery,
  limit: number,
): { readonly hits: readonly TextHit[]; readonly more: boolean; readonly statistics: TextStatistics } {
  const texts = Array.from(documents, ([id, { json }]) => {
    const value = JSON.parse(json) as { _creationTime: number };
    return { id, creationTime: value._creationTime, text: indexedText(definition, value) };
  });
  const indexed = texts.flatMap(({ text }) => (text === null ? [] : [text]));
  const statistics: TextStatistics = {
    documents: indexed.length,
    terms: indexed.reduce((sum, { terms, filters }) => sum + terms.length + filters.length, 0),
    matching: query.terms.map(
      (term, i) =>
        indexed.filter(({ terms }) =>
          i === query.terms.length - 1 ? terms.some((word) => word.startsWith(term)) : terms.includes(term),
        ).length,
    ),
  };
  const hits = texts
    .flatMap(({ id, creationTime, text }) => {
      const rating = score(text, query, definition.filterFields, statistics);
      return rating === null ? [] : [{ id, score: rating, creationTime }];
    })
    .toSorted(compareHits);
  return { hits: hits.slice(0, limit), more: hits.length > limit, statistics };
}
