import { must } from "../../shared/assert.ts";
import { badRequest } from "../../shared/coded-error.ts";
import { isJsonObject, type JsonValue } from "../../shared/json.ts";
import { idKey } from "../index-key.ts";
import type { IndexKey, InternalId } from "../names.ts";
import type { StoredDocument } from "../persistence.ts";
import { type ReadSetRecorder, tableRef } from "../read-set.ts";
import { indexedText } from "../text/indexed-text.ts";
import { matchesFilters, score } from "../text/score.ts";
import { termIntervals } from "../text/term-keys.ts";
import { compareHits, type SnapshotMatches, type TextHit } from "../text/text-index.ts";
import type { WrittenDocument } from "../write-set.ts";
import type { QueryContext } from "./query-context.ts";
import type { Scan, ScannedRow } from "./scan.ts";
import type { SearchSource } from "./source.ts";

/** Matches of one search that can be reached. */
const MAX_MATCHES = 1024;

/** Asked for besides those that are wanted: some may be outdated. */
const FURTHER_MATCHES = 4;

/** Documents fetched ahead at most: matches lie anywhere in the table. */
const LARGEST_FETCH = 128;

interface Match {
  readonly id: InternalId;
  /** `undefined` while it has not been fetched. */
  document: StoredDocument | WrittenDocument | undefined;
}

/**
 * Walks the matches of a text search, best first. Keys are ranks. The matches are found once, when the first is asked
 * for, in what the snapshot and the transaction's writes until then hold.
 */
export class SearchScan implements Scan {
  readonly #context: QueryContext;
  readonly #source: SearchSource;
  /** Rank that the scan ends before. */
  readonly #end: number;
  #matches: Match[] | null = null;
  /** More of them than are known. */
  #more = true;
  #next: number;
  /** Ranks below were handed out at some time: they are part of the result. */
  #seen: number;
  readonly #first: number;

  constructor(context: QueryContext, source: SearchSource) {
    this.#context = context;
    this.#source = source;
    this.#first = rankOf(source.interval.start);
    this.#end = source.interval.end === null ? Number.POSITIVE_INFINITY : rankOf(source.interval.end);
    this.#next = this.#first;
    this.#seen = this.#first;
  }

  get position(): IndexKey | null {
    return this.#next === this.#first ? null : rankKey(this.#next - 1);
  }

  /** The terms decide about the ranking, the documents about themselves. */
  addTo(reads: ReadSetRecorder): void {
    const { table, ref, query } = this.#source;
    if (query === null || this.#matches === null) return;
    for (const interval of termIntervals(query.terms)) reads.addRange(ref, interval);
    for (const { id } of this.#matches.slice(this.#first, this.#seen)) reads.addKey(tableRef(table.id), idKey(id));
  }

  step(): ScannedRow | "fetch" | null {
    if (this.#source.query === null || this.#next >= this.#end) return null;
    const match = this.#matches?.[this.#next];
    if (match === undefined) {
      if (this.#matches !== null && !this.#more) return null;
      if (this.#next >= MAX_MATCHES && this.#matches !== null) throw tooManyMatches();
      return "fetch";
    }
    if (this.#next >= MAX_MATCHES) throw tooManyMatches();
    if (match.document === undefined) return "fetch";
    const key = rankKey(this.#next);
    this.#next++;
    this.#seen = Math.max(this.#seen, this.#next);
    return { key, document: match.document };
  }

  async fetch(limit: number): Promise<void> {
    const { query, table } = this.#source;
    if (query === null) return;
    const wanted = Math.min(limit, LARGEST_FETCH);
    const matches = this.#next + limit + FURTHER_MATCHES;
    if (this.#matches === null) await this.#find(Math.min(matches, MAX_MATCHES + 1), wanted);
    else if (this.#more && this.#matches.length <= this.#next) await this.#find(MAX_MATCHES + 1, wanted);
    const ahead = must(this.#matches, "matches").slice(this.#next, this.#next + wanted);
    const outside = new Set<Match>();
    await Promise.all(
      ahead.map(async (match) => {
        if (match.document !== undefined) return;
        // Every match is a document of the snapshot.
        const document = must(await this.#context.reader.document(table.id, match.id), `match ${match.id}`);
        match.document = document;
        if (query.filters.length > 0 && !this.#isInside(document)) outside.add(match);
      }),
    );
    if (outside.size > 0) this.#matches = must(this.#matches, "matches").filter((match) => !outside.has(match));
  }

  /** The index compares filter values by their hashes. */
  #isInside(document: StoredDocument): boolean {
    const { definition, query } = this.#source;
    const text = indexedText(definition, JSON.parse(document.json) as JsonValue);
    return text !== null && matchesFilters(text, must(query, "query").filters, definition.filterFields);
  }

  seek(position: IndexKey | null): void {
    this.#next = position === null ? this.#first : rankOf(position) + 1;
  }

  drop(): void {
    // There are at most 1024.
  }

  /** Finds the best matches; those that were found before keep their ranks. */
  async #find(limit: number, wanted: number): Promise<void> {
    const { address, query } = this.#source;
    const known = this.#matches ?? [];
    let slack = 0;
    for (;;) {
      const found = await this.#context.reader.search(
        address,
        must(query, "query"),
        limit + slack,
        this.#next + wanted,
      );
      const ranked = this.#ranked(found);
      // Too many of the hits are outdated: others are needed in their place.
      if (found.more && ranked.length < limit) {
        slack = 2 * slack + found.changed.size + this.#context.pending.writes(this.#source.table.id).length;
        continue;
      }
      const ids = new Set(known.map(({ id }) => id));
      this.#matches = [...known, ...ranked.filter(({ id }) => !ids.has(id))];
      this.#more = found.more;
      return;
    }
  }

  /** What the index found, without the documents that changed; those of them that match, at their places. */
  #ranked({ hits, changed, statistics, more }: SnapshotMatches): readonly Match[] {
    const { table, definition, query } = this.#source;
    const { pending } = this.#context;
    const ranked: (TextHit & Match)[] = [];
    for (const hit of hits) {
      if (changed.has(hit.id) || pending.get(table.id, hit.id) !== undefined) continue;
      ranked.push({ ...hit, document: undefined });
    }
    const last = hits.at(-1);
    const consider = (id: InternalId, document: StoredDocument | WrittenDocument, value: JsonValue): void => {
      const rating = score(indexedText(definition, value), must(query, "query"), definition.filterFields, statistics);
      if (rating === null) return;
      const hit = { id, score: rating, creationTime: creationTime(value), document };
      // Behind the last hit there may be others before it.
      if (!more || last === undefined || compareHits(hit, last) < 0) ranked.push(hit);
    };
    for (const [id, document] of changed) {
      if (document === null || pending.get(table.id, id) !== undefined) continue;
      consider(id, document, JSON.parse(document.json) as JsonValue);
    }
    for (const { id, after } of pending.writes(table.id)) if (after !== null) consider(id, after, after.value);
    return ranked.toSorted(compareHits);
  }
}

function creationTime(document: JsonValue): number {
  const time = isJsonObject(document) ? document["_creationTime"] : undefined;
  return typeof time === "number" ? time : 0;
}

const RANK_DIGITS = 8;

function rankKey(rank: number): IndexKey {
  // The key of a row in this scan, and of no index.
  return rank.toString(16).toUpperCase().padStart(RANK_DIGITS, "0") as IndexKey;
}

/** Rank of a bound: of the key itself, or of what comes after it. */
function rankOf(bound: string): number {
  if (bound === "") return 0;
  return Number.parseInt(bound.slice(0, RANK_DIGITS), 16) + (bound.length > RANK_DIGITS ? 1 : 0);
}

/** E-F-17. */
function tooManyMatches(): Error {
  return badRequest(
    "SearchQueryScannedTooManyDocumentsError",
    `Search query scanned too many documents (fetched ${MAX_MATCHES}). Consider using a smaller limit, paginating the query, or using a filter field to limit the number of documents pulled from the search index.`,
  );
}
