import type { FollowState } from "../../engine/derived-index.ts";
import type { Interval } from "../../engine/interval.ts";
import type { InternalId } from "../../engine/names.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import { SqlFollowState } from "../follow/sql-follow-state.ts";
import { type Sql, type SqlValue, textOf } from "../sql.ts";
import type { PlacedVector, StoredVector, VectorStore } from "./vector-store.ts";

type Row = Readonly<Record<string, SqlValue>>;

/** In the storage of a Durable Object: a row per vector, 4 bytes per dimension, and an entry of the index on ids. */
export class SqlVectorStore implements VectorStore {
  readonly #sql: Sql;
  readonly #state: SqlFollowState;

  constructor(sql: Sql) {
    this.#sql = sql;
    this.#state = new SqlFollowState(sql);
    sql.exec(`CREATE TABLE IF NOT EXISTS vectors (
      slot INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, ts INTEGER NOT NULL, filters TEXT NOT NULL, unit BLOB NOT NULL)`);
  }

  get state(): FollowState | null {
    return this.#state.value;
  }

  setState(state: FollowState): void {
    this.#state.set(state);
  }

  atomically(body: () => void): void {
    this.#sql.transaction(body);
  }

  find(id: InternalId): PlacedVector | null {
    const [row] = this.#sql.exec("SELECT id, slot, ts FROM vectors WHERE id = ?", id);
    return row === undefined ? null : placed(row);
  }

  within({ start, end }: Interval): readonly PlacedVector[] {
    const rows =
      end === null
        ? this.#sql.exec("SELECT id, slot, ts FROM vectors WHERE id >= ?", start)
        : this.#sql.exec("SELECT id, slot, ts FROM vectors WHERE id >= ? AND id < ?", start, end);
    return Array.from(rows, placed);
  }

  put({ slot, id, unit, filters }: StoredVector, ts: Timestamp): void {
    this.#sql.exec(
      `INSERT INTO vectors (slot, id, ts, filters, unit) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (slot) DO UPDATE SET ts = excluded.ts, filters = excluded.filters, unit = excluded.unit`,
      slot,
      id,
      ts,
      JSON.stringify(filters),
      // A copy of just its bytes.
      unit.slice().buffer,
    );
  }

  delete(id: InternalId): void {
    this.#sql.exec("DELETE FROM vectors WHERE id = ?", id);
  }

  get(slots: readonly number[]): readonly StoredVector[] {
    return Array.from(
      this.#sql.exec(
        "SELECT slot, id, filters, unit FROM vectors WHERE slot IN (SELECT value FROM json_each(?))",
        JSON.stringify(slots),
      ),
      stored,
    );
  }

  scan(slot: number, limit: number): readonly StoredVector[] {
    return Array.from(
      this.#sql.exec("SELECT slot, id, filters, unit FROM vectors WHERE slot >= ? ORDER BY slot LIMIT ?", slot, limit),
      stored,
    );
  }

  clear(): void {
    this.#sql.transaction(() => {
      this.#sql.exec("DELETE FROM vectors");
      this.#state.clear();
    });
  }
}

// Columns hold what `put` wrote.

function placed({ id, slot, ts }: Row): PlacedVector {
  return { id: id as InternalId, slot: Number(slot), ts: Number(ts) as Timestamp };
}

function stored({ slot, id, filters, unit }: Row): StoredVector {
  return {
    slot: Number(slot),
    id: id as InternalId,
    filters: JSON.parse(textOf(filters)) as readonly string[],
    unit: new Float32Array(unit as ArrayBuffer),
  };
}
