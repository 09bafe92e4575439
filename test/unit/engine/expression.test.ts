import { type Value, compareValues, convexToJson } from "convex/values";
import { expect, test } from "vitest";
import { asBoolean, compileExpression } from "../../../src/engine/query/expression.ts";
import type { JsonValue } from "../../../src/shared/json.ts";
import { failure, toJson } from "./support.ts";

type Operand = JsonValue | Record<string, unknown>;

function literal(value: Value | undefined): JsonValue {
  return { $literal: value === undefined ? { $undefined: null } : toJson(value) };
}

function evaluate(expression: Operand, document: Value = {}): JsonValue | undefined {
  return compileExpression(expression as JsonValue)(convexToJson(document) as JsonValue);
}

const VALUES: readonly (Value | undefined)[] = [
  undefined,
  null,
  -5n,
  0n,
  7n,
  Number.NEGATIVE_INFINITY,
  -0,
  0,
  1.5,
  Number.NaN,
  false,
  true,
  "",
  "a",
  "\u{1F600}",
  "\uFFFD",
  Uint8Array.of(1).buffer,
  [],
  [1],
  {},
  { a: 1 },
];

const COMPARISONS: Record<string, (order: number) => boolean> = {
  $eq: (order) => order === 0,
  $neq: (order) => order !== 0,
  $lt: (order) => order < 0,
  $lte: (order) => order <= 0,
  $gt: (order) => order > 0,
  $gte: (order) => order >= 0,
};

test.each(Object.keys(COMPARISONS))("P-D-5 %s follows the total order for every pair of types", (operator) => {
  for (const a of VALUES) {
    for (const b of VALUES) {
      const result = evaluate({ [operator]: [literal(a), literal(b)] });
      expect([a, b, result]).toEqual([a, b, COMPARISONS[operator]?.(compareValues(a, b))]);
    }
  }
});

test.each<[string, Value, Value, Value]>([
  ["$add", 2n, 3n, 5n],
  ["$add", 0.1, 0.2, 0.1 + 0.2],
  ["$sub", 2n, 3n, -1n],
  ["$sub", 2, 3, -1],
  ["$mul", 4n, -3n, -12n],
  ["$mul", 4, -0, -0],
  ["$div", 7n, -2n, -3n],
  ["$div", 1, 0, Number.POSITIVE_INFINITY],
  ["$div", 0, 0, Number.NaN],
  ["$mod", -7n, 3n, -1n],
  ["$mod", -7, 3, -1],
  ["$mod", 5, 0, Number.NaN],
])("P-D-5 %s of %s and %s is %s", (operator, left, right, expected) => {
  expect(evaluate({ [operator]: [literal(left), literal(right)] })).toEqual(convexToJson(expected));
});

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

test.each<[Operand, string]>([
  [{ $add: [literal("a"), literal(1)] }, 'Cannot add "a" (type String) and 1.0 (type Float64)'],
  [{ $sub: [literal(1n), literal(1)] }, "Cannot subtract 1 (type Int64) and 1.0 (type Float64)"],
  [{ $mul: [literal(null), literal(true)] }, "Cannot multiply null (type Null) and true (type Boolean)"],
  [{ $div: [literal([1]), literal({})] }, "Cannot divide [1.0] (type Array) and {} (type Object)"],
  [{ $mod: [literal(undefined), literal(1)] }, "Cannot mod undefined (type Undefined) and 1.0 (type Float64)"],
  [{ $div: [literal(3n), literal(0n)] }, "Cannot divide 3 by zero"],
  [{ $mod: [literal(3n), literal(0n)] }, "Cannot mod 3 by zero"],
  [{ $add: [literal(MAX), literal(1n)] }, `Cannot add ${MAX} and 1: the result is out of range for Int64`],
  [{ $mul: [literal(MIN), literal(-1n)] }, `Cannot multiply ${MIN} and -1: the result is out of range for Int64`],
  [{ $div: [literal(MIN), literal(-1n)] }, `Cannot divide ${MIN} and -1: the result is out of range for Int64`],
  [{ $mod: [literal(MIN), literal(-1n)] }, `Cannot mod ${MIN} and -1: the result is out of range for Int64`],
  [{ $neg: literal("a") }, 'Cannot negate "a" (type String)'],
  [{ $neg: literal(MIN) }, `Cannot negate ${MIN}: the result is out of range for Int64`],
  [{ $not: literal(1) }, "Cannot use value 1.0 (type Float64) as a Boolean"],
  [{ $and: [literal(true), literal(null)] }, "Cannot use value null (type Null) as a Boolean"],
  [{ $or: [literal(false), literal("x")] }, 'Cannot use value "x" (type String) as a Boolean'],
])("P-D-5 %j fails with its text", async (expression, text) => {
  expect(await failure(() => evaluate(expression))).toBe(text);
});

test("P-D-5 and, or and not: truth tables, empty lists and short circuit", () => {
  const [yes, no, wrong] = [literal(true), literal(false), literal("x")];
  const table: [Operand, boolean][] = [
    [{ $and: [] }, true],
    [{ $or: [] }, false],
    [{ $and: [yes, yes] }, true],
    [{ $and: [yes, no] }, false],
    [{ $and: [no, wrong] }, false],
    [{ $or: [no, no] }, false],
    [{ $or: [no, yes] }, true],
    [{ $or: [yes, wrong] }, true],
    [{ $not: yes }, false],
    [{ $not: no }, true],
  ];
  for (const [expression, expected] of table)
    expect([expression, evaluate(expression)]).toEqual([expression, expected]);
});

test("P-D-5 negation keeps the type and the sign of zero", () => {
  expect(evaluate({ $neg: literal(7n) })).toEqual(convexToJson(-7n));
  expect(evaluate({ $neg: literal(0) })).toEqual(convexToJson(-0));
});

test("P-D-5 $field finds nested fields, and undefined where a step is missing", () => {
  const document = { a: { b: 1n }, constructor: 2 };
  expect(evaluate({ $field: "a.b" }, document)).toEqual(convexToJson(1n));
  expect(evaluate({ $field: ".a.b." }, document)).toEqual(convexToJson(1n));
  expect(evaluate({ $field: "a.c" }, document)).toBeUndefined();
  expect(evaluate({ $field: "a.b.c" }, document)).toBeUndefined();
  expect(evaluate({ $field: "toString" }, document)).toBeUndefined();
});

test("P-D-5 a filter wants a boolean", async () => {
  expect(asBoolean(true)).toBe(true);
  expect(await failure(() => asBoolean(undefined))).toBe("Cannot use value undefined (type Undefined) as a Boolean");
});

test.each<[Operand]>([
  [{ $eq: [literal(1)] }],
  [{ $eq: [literal(1), literal(1), literal(1)] }],
  [{ $pow: [literal(1), literal(1)] }],
  [{ $and: literal(true) }],
  [{ constructor: [literal(1), literal(1)] }],
  [{}],
  ["x"],
])("P-D-5 the malformed expression %j is refused before any row is read", (expression) => {
  expect(() => compileExpression(expression as JsonValue)).toThrow(/operand|operator/);
});
