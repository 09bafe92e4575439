import type { FollowState } from "../../engine/derived-index.ts";
import type { Interval } from "../../engine/interval.ts";
import type { InternalId } from "../../engine/names.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import { SqlFollowState } from "../follow/sql-follow-state.ts";
import { numberOf, type Sql, type SqlValue, textOf } from "../sql.ts";

/** A vector, or that there is none any more, which Vectorize may not show yet. */
export interface RecentVector {
  readonly id: InternalId;
  /** Of the document version that it was made from; of the removal, the one before. */
  readonly ts: Timestamp;
  readonly unit: Float32Array | null;
  readonly filters: readonly string[];
}

/** What was sent together, under the name that Vectorize gave it. */
export interface SentBatch {
  readonly number: number;
  readonly mutation: string;
  readonly sentAt: number;
}

/**
 * What Vectorize has been told, and what it may not show yet, in the storage of a Durable Object. A vector stays here
 * until Vectorize says that it has processed it, so that nothing is missed meanwhile.
 */
export class Outbox {
  readonly #sql: Sql;
  readonly #state: SqlFollowState;

  constructor(sql: Sql) {
    this.#sql = sql;
    this.#state = new SqlFollowState(sql);
    sql.exec("CREATE TABLE IF NOT EXISTS known (id TEXT PRIMARY KEY, ts INTEGER NOT NULL) WITHOUT ROWID");
    sql.exec(`CREATE TABLE IF NOT EXISTS recent (
      id TEXT PRIMARY KEY, ts INTEGER NOT NULL, batch INTEGER, filters TEXT NOT NULL, unit BLOB)`);
    sql.exec(
      "CREATE TABLE IF NOT EXISTS batches (number INTEGER PRIMARY KEY AUTOINCREMENT, mutation TEXT, sent INTEGER)",
    );
  }

  get state(): FollowState | null {
    return this.#state.value;
  }

  /** All of the body or nothing. */
  change(state: FollowState, body: () => void): void {
    this.#sql.transaction(() => {
      body();
      this.#state.set(state);
    });
  }

  /** Versions that Vectorize has or will have. */
  known({ start, end }: Interval): ReadonlyMap<string, number> {
    const rows =
      end === null
        ? this.#sql.exec("SELECT id, ts FROM known WHERE id >= ?", start)
        : this.#sql.exec("SELECT id, ts FROM known WHERE id >= ? AND id < ?", start, end);
    return new Map(Array.from(rows, ({ id, ts }) => [textOf(id), numberOf(ts)]));
  }

  put({ id, ts, unit, filters }: RecentVector): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO recent (id, ts, batch, filters, unit) VALUES (?, ?, NULL, ?, ?)",
      id,
      ts,
      JSON.stringify(filters),
      unit === null ? null : unit.slice().buffer,
    );
    if (unit === null) this.#sql.exec("DELETE FROM known WHERE id = ?", id);
    else this.#sql.exec("INSERT OR REPLACE INTO known (id, ts) VALUES (?, ?)", id, ts);
  }

  /** Everything that Vectorize may not show yet. */
  recent(): readonly RecentVector[] {
    return Array.from(this.#sql.exec("SELECT id, ts, filters, unit FROM recent"), recentVector);
  }

  unsent(limit: number): readonly RecentVector[] {
    return Array.from(
      this.#sql.exec("SELECT id, ts, filters, unit FROM recent WHERE batch IS NULL LIMIT ?", limit),
      recentVector,
    );
  }

  /** What has changed again meanwhile stays unsent. */
  sent(vectors: readonly RecentVector[], mutation: string, sentAt: number): void {
    this.#sql.transaction(() => {
      const [row] = this.#sql.exec(
        "INSERT INTO batches (mutation, sent) VALUES (?, ?) RETURNING number",
        mutation,
        sentAt,
      );
      for (const { id, ts, unit } of vectors) {
        this.#sql.exec(
          "UPDATE recent SET batch = ? WHERE id = ? AND ts = ? AND (unit IS NULL) = ? AND batch IS NULL",
          numberOf(row?.["number"]),
          id,
          ts,
          unit === null ? 1 : 0,
        );
      }
    });
  }

  batches(): readonly SentBatch[] {
    return Array.from(this.#sql.exec("SELECT number, mutation, sent FROM batches ORDER BY number"), (row) => ({
      number: numberOf(row["number"]),
      mutation: textOf(row["mutation"]),
      sentAt: numberOf(row["sent"]),
    }));
  }

  /** Vectorize shows all batches up to this one. */
  settle(number: number): void {
    this.#sql.transaction(() => {
      this.#sql.exec("DELETE FROM recent WHERE batch <= ?", number);
      this.#sql.exec("DELETE FROM batches WHERE number <= ?", number);
    });
  }

  clear(): void {
    this.#sql.transaction(() => {
      for (const table of ["known", "recent", "batches"]) this.#sql.exec(`DELETE FROM ${table}`);
      this.#state.clear();
    });
  }
}

// Columns hold what `put` wrote.
function recentVector({ id, ts, filters, unit }: Readonly<Record<string, SqlValue>>): RecentVector {
  return {
    id: id as InternalId,
    ts: numberOf(ts) as Timestamp,
    filters: JSON.parse(textOf(filters)) as readonly string[],
    unit: unit instanceof ArrayBuffer ? new Float32Array(unit) : null,
  };
}
