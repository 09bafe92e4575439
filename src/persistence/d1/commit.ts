import { assert } from "../../shared/assert.ts";
import type { CommitBatch, DocumentVersion, IndexEntry } from "../../engine/persistence.ts";
import { catalogStatements } from "./catalog.ts";
import { commitRows } from "./commit-log.ts";
import { INSERT_OUTCOMES_SQL, outcomeItems } from "./outcomes.ts";
import { OVERFLOW_MARK } from "./reads.ts";
import { boundText, isLongerThan, jsonArrays, MAX_INLINE_BYTES, PIECE_BYTES, splitText } from "./text-limits.ts";

/** Parameters: expected ts, expected writer, new ts, new writer, 1 if the catalog changes. */
const HEAD_SQL = `UPDATE head SET
  ts = CASE WHEN ts = ?1 AND writer = ?2 THEN ?3 ELSE NULL END,
  writer = ?4,
  catalog_ts = CASE WHEN ?5 THEN ?3 ELSE catalog_ts END`;

const COMMIT_SQL = "INSERT INTO commits (ts, part, transactions, garbage, weight) VALUES (?1, ?2, ?3, ?4, ?5)";

/** Parameter: JSON array of [table, id, ts, size, document or null or overflow mark]. */
const DOCUMENTS_SQL = `INSERT INTO documents (table_id, id, ts, size, value)
SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, nullif(value -> 4, 'null') FROM json_each(?1)`;

const OVERFLOW_SQL = `INSERT INTO document_overflow (table_id, id, ts, part, value)
SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1)`;

/** Parameter: JSON array of [index, key, ts, deleted]. Shared with the back-fill, which adds a condition. */
export const ENTRIES_SQL = `INSERT INTO index_entries (index_id, key, ts, deleted)
SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3 FROM json_each(?1)`;

/**
 * The queue of jobs lives beside the index entries, under an index id that no index gets, without history: with
 * tombstones, the front of the queue would be a graveyard. Parameter: JSON array of keys.
 */
const ADD_DUE_SQL = `INSERT INTO index_entries (index_id, key, ts, deleted)
SELECT 0, unhex(value), 0, 0 FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING`;

const REMOVE_DUE_SQL = `DELETE FROM index_entries
WHERE index_id = 0 AND key IN (SELECT unhex(value) FROM json_each(?1))`;

/** The statements of a commit, prepared once. Their number grows with bytes (one per 2 MB), never with rows. */
export class CommitStatements {
  readonly #db: D1Database;
  readonly #head: D1PreparedStatement;
  readonly #commit: D1PreparedStatement;
  readonly #documents: D1PreparedStatement;
  readonly #overflow: D1PreparedStatement;
  readonly #entries: D1PreparedStatement;
  readonly #outcomes: D1PreparedStatement;
  readonly #addDue: D1PreparedStatement;
  readonly #removeDue: D1PreparedStatement;

  constructor(db: D1Database) {
    this.#db = db;
    this.#head = db.prepare(HEAD_SQL);
    this.#commit = db.prepare(COMMIT_SQL);
    this.#documents = db.prepare(DOCUMENTS_SQL);
    this.#overflow = db.prepare(OVERFLOW_SQL);
    this.#entries = db.prepare(ENTRIES_SQL);
    this.#outcomes = db.prepare(INSERT_OUTCOMES_SQL);
    this.#addDue = db.prepare(ADD_DUE_SQL);
    this.#removeDue = db.prepare(REMOVE_DUE_SQL);
  }

  /** The head comes first, so that a fenced batch does no work. */
  bind(batch: CommitBatch): D1PreparedStatement[] {
    const { expected, ts, writer, catalog } = batch;
    assert(ts > expected.ts, () => `commit at ${ts} does not follow ${expected.ts}`);
    const overflow: string[] = [];
    return [
      this.#head.bind(expected.ts, expected.writer, ts, writer, catalog === null ? 0 : 1),
      ...commitRows(batch).map((row) =>
        this.#commit.bind(ts, row.part, boundText(row.transactions), boundText(row.garbage), row.weight),
      ),
      ...bindArrays(
        this.#documents,
        batch.documents.map((version) => documentItem(version, overflow)),
      ),
      ...bindArrays(this.#overflow, overflow),
      ...bindArrays(this.#entries, batch.entries.map(entryItem)),
      ...bindArrays(this.#outcomes, batch.outcomes.flatMap(outcomeItems)),
      ...bindArrays(this.#removeDue, dueItems(batch, false)),
      ...bindArrays(this.#addDue, dueItems(batch, true)),
      ...(catalog === null ? [] : catalogStatements(this.#db, catalog)),
    ];
  }
}

function dueItems({ due = [] }: CommitBatch, added: boolean): string[] {
  return due.filter((change) => change.added === added).map(({ key }) => `"${key}"`);
}

/** Binds the items as the first parameter, once per array that a bound value can hold. */
export function bindArrays(
  statement: D1PreparedStatement,
  items: readonly string[],
  ...further: readonly number[]
): D1PreparedStatement[] {
  return jsonArrays(items).map((array) => statement.bind(boundText(array), ...further));
}

export function entryItem({ indexId, key, ts, deleted }: IndexEntry): string {
  return `[${indexId},"${key}",${ts},${deleted ? 1 : 0}]`;
}

/** The document goes in as JSON, not as a string with JSON in it: SQLite hands back the same text, minified. */
function documentItem({ tableId, id, ts, document }: DocumentVersion, overflow: string[]): string {
  if (document === null) return `[${tableId},"${id}",${ts},null,null]`;
  if (!isLongerThan(document.json, MAX_INLINE_BYTES)) {
    return `[${tableId},"${id}",${ts},${document.size},${document.json}]`;
  }
  for (const [part, piece] of splitText(document.json, PIECE_BYTES).entries()) {
    overflow.push(`[${tableId},"${id}",${ts},${part},${JSON.stringify(piece)}]`);
  }
  return `[${tableId},"${id}",${ts},${document.size},${OVERFLOW_MARK}]`;
}
