import { type Expression, asBoolean } from "./expression.ts";
import type { Operator } from "./operator.ts";
import type { Row } from "./row.ts";

/** Keeps the rows for which an expression is true. */
export class Filter implements Operator {
  readonly #expression: Expression;
  readonly remaining = Number.POSITIVE_INFINITY;

  constructor(expression: Expression) {
    this.#expression = expression;
  }

  admit(row: Row): boolean {
    return asBoolean(this.#expression(row.value));
  }

  rewind(): void {
    // Stateless.
  }
}
