import type { DerivedIndex, DocumentChange, FollowState, SearchDefinition } from "../../engine/derived-index.ts";
import type { Interval } from "../../engine/interval.ts";
import type { InternalId } from "../../engine/names.ts";
import type { StoredDocument } from "../../engine/persistence.ts";
import { type IndexedText, indexedText } from "../../engine/text/indexed-text.ts";
import { termWeight, type TextQuery, type TextStatistics } from "../../engine/text/score.ts";
import { compareHits, type TextHit } from "../../engine/text/text-index.ts";
import { isJsonObject, type JsonValue } from "../../shared/json.ts";
import { SqlFollowState } from "../follow/sql-follow-state.ts";
import { numberOf, type Sql, type SqlValue, textOf } from "../sql.ts";
import { filterToken } from "./filter-token.ts";

interface Placed {
  readonly row: number;
  readonly ts: number;
}

/** Creation times of our century are multiples of 1/4096 ms, being float64: different ones have different rows. */
const ROWS_PER_MILLISECOND = 4096;

/** Weight that FTS5 gives a term that most documents hold. */
const LEAST_FTS_WEIGHT = 1e-6;

/**
 * A text index in the full-text search of SQLite. It is handed terms, so its tokenizer only splits at spaces; filter
 * values are terms of a second column. Row numbers follow creation times, which decide among equal scores.
 *
 * FTS5 scores with BM25, but gives a term that more than half of the documents hold no weight at all. Each term is
 * searched on its own, so that its weight can be exchanged for `termWeight`.
 */
export class TextIndex implements DerivedIndex {
  readonly #sql: Sql;
  readonly #definition: SearchDefinition;
  readonly #state: SqlFollowState;
  /** What the present change adds to the totals, which are written once. */
  #added = { documents: 0, terms: 0 };
  /** `null`: not read since they may have changed. */
  #totals: { readonly documents: number; readonly terms: number } | null = null;

  constructor(sql: Sql, definition: SearchDefinition) {
    this.#sql = sql;
    this.#definition = definition;
    this.#state = new SqlFollowState(sql);
    sql.exec(`CREATE TABLE IF NOT EXISTS texts (
      doc INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, ts INTEGER NOT NULL, created REAL NOT NULL,
      terms TEXT NOT NULL, filters TEXT NOT NULL)`);
    sql.exec(
      "CREATE TABLE IF NOT EXISTS totals (id INTEGER PRIMARY KEY, documents INTEGER NOT NULL, terms INTEGER NOT NULL)",
    );
    sql.exec("INSERT OR IGNORE INTO totals (id, documents, terms) VALUES (1, 0, 0)");
    sql.exec("CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5 (t, f, content = '', tokenize = 'ascii')");
  }

  get state(): FollowState | null {
    return this.#state.value;
  }

  async open(): Promise<void> {
    // Everything is in the storage.
  }

  apply(changes: readonly DocumentChange[], state: FollowState): void {
    this.#atomically(state, () => {
      for (const { id, document } of changes) this.#put(id, document);
    });
  }

  replace({ start, end }: Interval, documents: readonly DocumentChange[], state: FollowState): void {
    this.#atomically(state, () => {
      const rows =
        end === null
          ? this.#sql.exec("SELECT id, doc, ts FROM texts WHERE id >= ?", start)
          : this.#sql.exec("SELECT id, doc, ts FROM texts WHERE id >= ? AND id < ?", start, end);
      const present = new Map(Array.from(rows, ({ id, ...row }) => [textOf(id), placed(row)]));
      for (const { id, document } of documents) {
        const known = present.get(id);
        present.delete(id);
        if (known === undefined || known.ts !== document?.ts) this.#put(id, document);
      }
      // Ids of this table are internal ids.
      for (const id of present.keys()) this.#put(id as InternalId, null);
    });
  }

  clear(): void {
    this.#totals = null;
    this.#sql.transaction(() => {
      this.#sql.exec("DELETE FROM texts");
      this.#sql.exec("INSERT INTO search (search) VALUES ('delete-all')");
      this.#sql.exec("UPDATE totals SET documents = 0, terms = 0");
      this.#state.clear();
    });
  }

  /** The best `limit` matches, and whether there are others. Documents with other filter values may be among them. */
  search(
    query: TextQuery,
    limit: number,
  ): { readonly hits: readonly TextHit[]; readonly more: boolean; readonly statistics: TextStatistics } {
    const { documents, terms } = this.#readTotals();
    const phrases = query.terms.map((term, i) => `t : "${term}"${i === query.terms.length - 1 ? " *" : ""}`);
    const matching = this.#count(phrases);
    const statistics = { documents, terms, matching };
    const { filterFields } = this.#definition;
    const condition = query.filters
      .map(({ field, key }) => ` AND f : "${filterToken(filterFields.indexOf(field), key)}"`)
      .join("");
    const parts: string[] = [];
    const bindings: SqlValue[] = [];
    for (const [i, phrase] of phrases.entries()) {
      const found = matching[i] ?? 0;
      if (found === 0) continue;
      parts.push("SELECT rowid AS doc, bm25(search, 1.0, 0.0) * ? AS score FROM search WHERE search MATCH ?");
      bindings.push(-termWeight(documents, found) / ftsWeight(documents, found), phrase + condition);
    }
    if (parts.length === 0) return { hits: [], more: false, statistics };
    const union = parts.join(" UNION ALL ");
    const scored = parts.length === 1 ? union : `SELECT doc, sum(score) AS score FROM (${union}) GROUP BY doc`;
    const rows = [
      ...this.#sql.exec(
        `SELECT b.score, x.id, x.created FROM (SELECT doc, score FROM (${scored}) ORDER BY score DESC, doc DESC LIMIT ?) AS b
         JOIN texts AS x ON x.doc = b.doc`,
        ...bindings,
        limit + 1,
      ),
    ];
    const hits = rows.map(({ id, score, created }) => ({
      id: textOf(id) as InternalId,
      score: Math.fround(numberOf(score)),
      creationTime: numberOf(created),
    }));
    return { hits: hits.toSorted(compareHits).slice(0, limit), more: hits.length > limit, statistics };
  }

  #count(phrases: readonly string[]): readonly number[] {
    const counts = phrases.map((_, i) => `(SELECT count(*) FROM search WHERE search MATCH ?) AS n${i}`);
    const [row] = this.#sql.exec(`SELECT ${counts.join(", ")}`, ...phrases);
    return phrases.map((_, i) => numberOf(row?.[`n${i}`]));
  }

  #readTotals(): { readonly documents: number; readonly terms: number } {
    if (this.#totals === null) {
      const [row] = this.#sql.exec("SELECT documents, terms FROM totals");
      this.#totals = { documents: numberOf(row?.["documents"]), terms: numberOf(row?.["terms"]) };
    }
    return this.#totals;
  }

  #put(id: InternalId, document: StoredDocument | null): void {
    const value: JsonValue = document === null ? null : JSON.parse(document.json);
    const text = indexedText(this.#definition, value);
    const [present] = this.#sql.exec("SELECT doc, ts, terms, filters FROM texts WHERE id = ?", id);
    const terms = text === null ? "" : text.terms.join(" ");
    const filters = text === null ? "" : this.#filters(text);
    const same = present !== undefined && present["terms"] === terms && present["filters"] === filters;
    if (same && document !== null) {
      this.#sql.exec("UPDATE texts SET ts = ? WHERE id = ?", document.ts, id);
      return;
    }
    if (present !== undefined) this.#remove(present);
    if (document === null || text === null) return;
    const created = creationTime(value);
    const row = this.#freeRow(created);
    this.#sql.exec(
      "INSERT INTO texts (doc, id, ts, created, terms, filters) VALUES (?, ?, ?, ?, ?, ?)",
      row,
      id,
      document.ts,
      created,
      terms,
      filters,
    );
    this.#sql.exec("INSERT INTO search (rowid, t, f) VALUES (?, ?, ?)", row, terms, filters);
    this.#addToTotals(1, text.terms.length + text.filters.length);
  }

  #remove({ doc, terms, filters }: Readonly<Record<string, SqlValue>>): void {
    const [t, f] = [textOf(terms), textOf(filters)];
    this.#sql.exec("INSERT INTO search (search, rowid, t, f) VALUES ('delete', ?, ?, ?)", numberOf(doc), t, f);
    this.#sql.exec("DELETE FROM texts WHERE doc = ?", numberOf(doc));
    this.#addToTotals(-1, -(words(t) + words(f)));
  }

  #addToTotals(documents: number, terms: number): void {
    this.#added.documents += documents;
    this.#added.terms += terms;
  }

  #filters({ filters }: IndexedText): string {
    return filters.map((key, field) => filterToken(field, key)).join(" ");
  }

  #freeRow(created: number): number {
    for (let row = Math.floor(created * ROWS_PER_MILLISECOND); ; row++) {
      if ([...this.#sql.exec("SELECT 1 FROM texts WHERE doc = ?", row)].length === 0) return row;
    }
  }

  #atomically(state: FollowState, body: () => void): void {
    this.#added = { documents: 0, terms: 0 };
    this.#totals = null;
    this.#sql.transaction(() => {
      body();
      const { documents, terms } = this.#added;
      if (terms !== 0 || documents !== 0) {
        this.#sql.exec("UPDATE totals SET documents = documents + ?, terms = terms + ?", documents, terms);
      }
      this.#state.set(state);
    });
  }
}

/** As FTS5's `bm25` has it. */
function ftsWeight(documents: number, matching: number): number {
  const weight = Math.log((documents - matching + 0.5) / (matching + 0.5));
  return weight <= 0 ? LEAST_FTS_WEIGHT : weight;
}

function placed(row: Readonly<Record<string, SqlValue>>): Placed {
  return { row: numberOf(row["doc"]), ts: numberOf(row["ts"]) };
}

function words(text: string): number {
  return text === "" ? 0 : text.split(" ").length;
}

function creationTime(document: JsonValue): number {
  const time = isJsonObject(document) ? document["_creationTime"] : undefined;
  return typeof time === "number" ? time : 0;
}
