import type { Row } from "./row.ts";

/** One stage that every scanned row goes through, in the order of the query's list. */
export interface Operator {
  /** False drops the row. */
  admit(row: Row): boolean;
  /** Rows that may still pass; 0 ends the query without another read. */
  readonly remaining: number;
  /** Goes back to the state in which `remaining` was this. */
  rewind(remaining: number): void;
}
