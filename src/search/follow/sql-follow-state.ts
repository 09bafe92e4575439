import type { FollowState } from "../../engine/derived-index.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import { type Sql, textOf } from "../sql.ts";

/** One row: how far the index beside it has followed the database. */
export class SqlFollowState {
  readonly #sql: Sql;
  /** `undefined`: not read yet. */
  #value: FollowState | null | undefined;

  constructor(sql: Sql) {
    this.#sql = sql;
    sql.exec("CREATE TABLE IF NOT EXISTS follow (id INTEGER PRIMARY KEY, ts INTEGER NOT NULL, cursor TEXT)");
  }

  get value(): FollowState | null {
    if (this.#value === undefined) {
      const [row] = this.#sql.exec("SELECT ts, cursor FROM follow");
      this.#value =
        row === undefined
          ? null
          : { ts: Number(row["ts"]) as Timestamp, cursor: row["cursor"] === null ? null : textOf(row["cursor"]) };
    }
    return this.#value;
  }

  set(state: FollowState): void {
    this.#value = undefined;
    this.#sql.exec("INSERT OR REPLACE INTO follow (id, ts, cursor) VALUES (1, ?, ?)", state.ts, state.cursor);
  }

  clear(): void {
    this.#value = undefined;
    this.#sql.exec("DELETE FROM follow");
  }
}
