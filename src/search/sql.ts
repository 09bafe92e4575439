import { assert } from "../shared/assert.ts";

/** The part of a Durable Object's SQLite that is used: statements run at once and answer whole. */
export interface Sql {
  exec(query: string, ...bindings: readonly SqlValue[]): Iterable<Readonly<Record<string, SqlValue>>>;
  transaction(body: () => void): void;
}

/** Of a column that holds text. */
export function textOf(value: SqlValue | undefined): string {
  assert(typeof value === "string", "a column that holds text");
  return value;
}

/** Of a column that holds a number. */
export function numberOf(value: SqlValue | undefined): number {
  assert(typeof value === "number", "a column that holds a number");
  return value;
}

export type SqlValue = ArrayBuffer | string | number | null;
