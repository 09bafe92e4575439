import { displayValue } from "./display-value.ts";
import type { LiteralValidator, ObjectField, Validator } from "./validator.ts";

/** A validator as it stands in error texts, close to how a developer writes it (`abi.md` §1.5). */
export function displayValidator(validator: Validator): string {
  switch (validator.kind) {
    case "id":
      return `v.id("${validator.tableName}")`;
    case "literal":
      return `v.literal(${displayLiteral(validator)})`;
    case "array":
      return `v.array(${displayValidator(validator.element)})`;
    case "record":
      return `v.record(${displayValidator(validator.key)}, ${displayValidator(validator.value)})`;
    case "object":
      return `v.object({${validator.fields.map(displayField).join(", ")}})`;
    case "union":
      return `v.union(${validator.members.map(displayValidator).join(", ")})`;
    default:
      return `v.${validator.kind}()`;
  }
}

/** The argument of `v.literal(…)`. */
export function displayLiteral(literal: LiteralValidator): string {
  return typeof literal.value === "string" ? JSON.stringify(literal.value) : displayValue(literal.value);
}

function displayField(field: ObjectField): string {
  const text = displayValidator(field.validator);
  return `${field.name}: ${field.optional ? `v.optional(${text})` : text}`;
}
