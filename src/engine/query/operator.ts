import { unreachable } from "../../shared/assert.ts";
import type { QueryOperator } from "./definition.ts";
import { Filter } from "./filter.ts";
import { Limit } from "./limit.ts";
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

export function makeOperator(definition: QueryOperator): Operator {
  switch (definition.type) {
    case "filter":
      return new Filter(definition.expression);
    case "limit":
      return new Limit(definition.count);
    default:
      return unreachable(definition);
  }
}
