import type { TableId } from "../../engine/names.ts";
import { must } from "../../shared/assert.ts";
import { attempt, type AttemptSettings } from "./attempts.ts";
import { DEFAULT_D1_SETTINGS } from "./d1-persistence.ts";

/** Documents whose sizes are added up; of larger tables the rest is taken to be like them. */
const SAMPLE = 1_000;

/**
 * Parameters: table, bound. Counts live entries of `by_creation_time`, which are a tenth of a document and less, and
 * in the order of ids, which are random, a sample of sizes.
 */
const SIZE_SQL = `SELECT (
  SELECT count(*) FROM (
    SELECT max(ts), deleted FROM index_entries
    WHERE index_id = (SELECT id FROM indexes WHERE table_id = ?1 AND name = 'by_creation_time')
    GROUP BY key HAVING deleted = 0 LIMIT ?2
  )
) AS documents, count(*) AS sampled, coalesce(sum(size), 0) AS bytes FROM (
  SELECT max(ts), size FROM documents WHERE table_id = ?1 GROUP BY id HAVING size IS NOT NULL LIMIT ${SAMPLE}
)`;

interface SizeRow {
  readonly documents: number;
  readonly sampled: number;
  readonly bytes: number;
}

/** How large tables are, counted inside D1: no document is sent to the Worker. */
export class D1TableSizes {
  readonly #db: D1Database;
  readonly #settings: AttemptSettings;

  constructor(db: D1Database, settings: Partial<AttemptSettings> = {}) {
    this.#db = db;
    this.#settings = { ...DEFAULT_D1_SETTINGS, ...settings };
  }

  /** Counting stops at `bound` documents. Bytes are exact up to a thousand documents and an estimate beyond. */
  async size(table: TableId, bound: number): Promise<{ readonly documents: number; readonly bytes: number }> {
    const statement = this.#db.prepare(SIZE_SQL).bind(table, bound);
    const { results } = await attempt(this.#settings, () => statement.all<SizeRow>());
    const row = must(results[0], "row of sizes");
    if (row.sampled === 0) return { documents: 0, bytes: 0 };
    return { documents: row.documents, bytes: Math.round((row.bytes * row.documents) / row.sampled) };
  }
}
