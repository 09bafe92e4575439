import { unreachable } from "../../shared/assert.ts";
import type { QueryOperator } from "./definition.ts";
import { Filter } from "./filter.ts";
import { Limit } from "./limit.ts";
import type { Operator } from "./operator.ts";

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
