import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import type { Sql, SqlValue } from "../../src/search/sql.ts";

/** SQLite of Node as a Durable Object has its own: blobs come as `ArrayBuffer`, transactions nest. */
export function nodeSql(): Sql & { failNext(): void } {
  const database = new DatabaseSync(":memory:");
  let depth = 0;
  let failing = false;
  return {
    /** The next transaction is taken back at its end. */
    failNext() {
      failing = true;
    },
    exec(query, ...bindings) {
      const values = bindings.map((value): SQLInputValue =>
        value instanceof ArrayBuffer ? new Uint8Array(value) : value,
      );
      const rows = database.prepare(query).all(...values);
      return rows.map((row) =>
        Object.fromEntries(
          Object.entries(row).map(([name, value]): [string, SqlValue] => {
            if (value instanceof Uint8Array) return [name, value.slice().buffer as ArrayBuffer];
            if (typeof value === "bigint") return [name, Number(value)];
            return [name, value ?? null];
          }),
        ),
      );
    },
    transaction(body) {
      const name = `t${depth}`;
      database.exec(depth === 0 ? "BEGIN" : `SAVEPOINT ${name}`);
      depth++;
      try {
        body();
        if (failing) {
          failing = false;
          throw new Error("The storage failed");
        }
        depth--;
        database.exec(depth === 0 ? "COMMIT" : `RELEASE ${name}`);
      } catch (error) {
        if (depth > 0) depth--;
        database.exec(depth === 0 ? "ROLLBACK" : `ROLLBACK TO ${name}`);
        throw error;
      }
    },
  };
}
