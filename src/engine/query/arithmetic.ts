import { type CodedError, badRequest } from "../../shared/coded-error.ts";
import type { JsonValue } from "../../shared/json.ts";
import { decodeFloat64, decodeInt64, encodeFloat64, encodeInt64, valueKind } from "../../values/special-value.ts";
import { display, typeName } from "./operand.ts";

type Operand = JsonValue | undefined;

type Binary = (left: Operand, right: Operand) => JsonValue;

/** Both operands int64, checked for overflow, or both float64. */
export const ARITHMETIC: Readonly<Record<string, Binary>> = {
  $add: arithmetic(
    "add",
    (a, b) => a + b,
    (a, b) => a + b,
  ),
  $sub: arithmetic(
    "subtract",
    (a, b) => a - b,
    (a, b) => a - b,
  ),
  $mul: arithmetic(
    "multiply",
    (a, b) => a * b,
    (a, b) => a * b,
  ),
  $div: arithmetic(
    "divide",
    (a, b) => a / b,
    (a, b) => a / b,
  ),
  // The smallest int64 modulo -1 is refused like the division it belongs to.
  $mod: arithmetic(
    "mod",
    (a, b) => (fits(a / b) ? a % b : a / b),
    (a, b) => a % b,
  ),
};

export function negate(value: Operand): JsonValue {
  if (isInt64(value)) {
    const result = -decodeInt64(value);
    if (!fits(result)) throw invalid(`Cannot negate ${display(value)}: the result is out of range for Int64`);
    return encodeInt64(result);
  }
  if (isFloat64(value)) return encodeFloat64(-decodeFloat64(value));
  throw invalid(`Cannot negate ${display(value)} (type ${typeName(value)})`);
}

function arithmetic(
  name: string,
  integers: (a: bigint, b: bigint) => bigint,
  floats: (a: number, b: number) => number,
): Binary {
  return (left, right) => {
    if (isFloat64(left) && isFloat64(right)) return encodeFloat(floats(decodeFloat64(left), decodeFloat64(right)));
    if (isInt64(left) && isInt64(right)) {
      const divisor = decodeInt64(right);
      if (divisor === 0n && (name === "divide" || name === "mod")) {
        throw invalid(`Cannot ${name} ${display(left)} by zero`);
      }
      const result = integers(decodeInt64(left), divisor);
      if (!fits(result)) {
        throw invalid(`Cannot ${name} ${display(left)} and ${display(right)}: the result is out of range for Int64`);
      }
      return encodeInt64(result);
    }
    throw invalid(
      `Cannot ${name} ${display(left)} (type ${typeName(left)}) and ${display(right)} (type ${typeName(right)})`,
    );
  };
}

/** Processors give 0/0 a sign bit of their own, which would decide its place in the order. */
function encodeFloat(value: number): JsonValue {
  return encodeFloat64(Number.isNaN(value) ? Number.NaN : value);
}

function isInt64(value: Operand): value is JsonValue {
  return value !== undefined && valueKind(value) === "int64";
}

function isFloat64(value: Operand): value is JsonValue {
  return value !== undefined && valueKind(value) === "float64";
}

function fits(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

function invalid(message: string): CodedError {
  return badRequest("InvalidExpression", message);
}
