import type { FollowState, NewestChange } from "../../engine/derived-index.ts";
import type { InternalId } from "../../engine/names.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import { numberOf, type Sql, textOf } from "../sql.ts";

/** One row: how far the index beside it has followed the database. */
export class SqlFollowState {
  readonly #sql: Sql;
  /** `undefined`: not read since it was set, perhaps by a transaction that was taken back. */
  #value: FollowState | null | undefined;

  constructor(sql: Sql) {
    this.#sql = sql;
    sql.exec(
      "CREATE TABLE IF NOT EXISTS follow (id INTEGER PRIMARY KEY, ts INTEGER NOT NULL, cursor TEXT, newest TEXT, version INTEGER)",
    );
  }

  get value(): FollowState | null {
    this.#value ??= this.#read();
    return this.#value;
  }

  #read(): FollowState | null {
    const [row] = this.#sql.exec("SELECT ts, cursor, newest, version FROM follow");
    if (row === undefined) return null;
    const { cursor = null, newest = null, version = null } = row;
    const change: NewestChange | null =
      newest === null
        ? null
        : // Columns hold what `set` wrote.
          { id: textOf(newest) as InternalId, version: version === null ? null : (numberOf(version) as Timestamp) };
    return {
      ts: numberOf(row["ts"]) as Timestamp,
      cursor: cursor === null ? null : textOf(cursor),
      ...(change === null ? {} : { newest: change }),
    };
  }

  set({ ts, cursor, newest }: FollowState): void {
    this.#value = undefined;
    this.#sql.exec(
      "INSERT OR REPLACE INTO follow (id, ts, cursor, newest, version) VALUES (1, ?, ?, ?, ?)",
      ts,
      cursor,
      newest?.id ?? null,
      newest?.version ?? null,
    );
  }

  clear(): void {
    this.#value = undefined;
    this.#sql.exec("DELETE FROM follow");
  }
}
