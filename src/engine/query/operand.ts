import type { JsonValue } from "../../shared/json.ts";
import { displayValue } from "../../values/display-value.ts";
import { type ValueKind, valueKind } from "../../values/special-value.ts";

const TYPE_NAMES: Readonly<Record<ValueKind, string>> = {
  null: "Null",
  int64: "Int64",
  commitTs: "Int64",
  float64: "Float64",
  boolean: "Boolean",
  string: "String",
  bytes: "Bytes",
  array: "Array",
  object: "Object",
};

/** Type of an operand as error texts of filters name it. */
export function typeName(value: JsonValue | undefined): string {
  return value === undefined ? "Undefined" : TYPE_NAMES[valueKind(value)];
}

export function display(value: JsonValue | undefined): string {
  return value === undefined ? "undefined" : displayValue(value);
}
