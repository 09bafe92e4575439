import { type GenericValidator, type Value, v } from "convex/values";
import { describe, expect, test } from "vitest";
import { must } from "../../../src/shared/assert.ts";
import type { JsonValue } from "../../../src/shared/json.ts";
import { checkArgs, checkReturns, checkValue } from "../../../src/values/check-validator.ts";
import { displayValidator } from "../../../src/values/display-validator.ts";
import { displayValue } from "../../../src/values/display-value.ts";
import { compileArgsValidator, compileValidator } from "../../../src/values/compile-validator.ts";
import type { Validator } from "../../../src/values/validator.ts";
import { encoded, parsed, fc } from "./arbitraries.ts";
import { accepts, id, json, tables, validatorAndValue } from "./validator-arbitraries.ts";

function compile(validator: GenericValidator): Validator {
  return compileValidator(json(validator));
}

function check(validator: GenericValidator, value: Value): string | null {
  return checkValue(compile(validator), encoded(value), tables);
}

test("CHK1 verdicts on arbitrary validators and values are those of the naive definition", () => {
  let matches = 0;
  let mismatches = 0;
  fc.assert(
    fc.property(validatorAndValue, ([validator, value]) => {
      const expected = accepts(validator, value);
      if (expected) matches++;
      else mismatches++;
      expect(checkValue(compile(validator), parsed(value), tables) === null).toBe(expected);
    }),
    { numRuns: 2000 },
  );
  expect(Math.min(matches, mismatches)).toBeGreaterThan(100);
});

describe("texts", () => {
  const ID = id(10_002);
  const SYSTEM = id(513);
  const FILE = id(512);
  test.each<[string, GenericValidator, Value, string]>([
    [
      "E-B-1 missing field at the root",
      v.object({ b: v.string(), a: v.optional(v.number()) }),
      {},
      "Object is missing the required field `b`. Consider wrapping the field validator in `v.optional(...)` if this is expected.\n\nObject: {}\nValidator: v.object({a: v.optional(v.float64()), b: v.string()})",
    ],
    [
      "E-B-1 missing field in an array",
      v.object({ list: v.array(v.object({ n: v.number() })) }),
      { list: [{ n: 1 }, { m: 1 }] },
      "Object is missing the required field `n`. Consider wrapping the field validator in `v.optional(...)` if this is expected.\nPath: .list[1]\nObject: {m: 1.0}\nValidator: v.object({n: v.float64()})",
    ],
    [
      "E-B-2 extra field, after every declared one was fine",
      v.object({ a: v.string() }),
      { a: "x", c: 1, b: 2n },
      'Object contains extra field `b` that is not in the validator.\n\nObject: {a: "x", b: 2, c: 1.0}\nValidator: v.object({a: v.string()})',
    ],
    [
      "E-B-2 declared fields speak first",
      v.object({ z: v.string() }),
      { a: 1, z: 1 },
      "Value does not match validator.\nPath: .z\nValue: 1.0\nValidator: v.string()",
    ],
    [
      "E-B-3 wrong type at the root",
      v.int64(),
      1,
      "Value does not match validator.\n\nValue: 1.0\nValidator: v.int64()",
    ],
    [
      "E-B-3 value of a record",
      v.object({ r: v.record(v.string(), v.boolean()) }),
      { r: { k: null } },
      "Value does not match validator.\nPath: .r.values()\nValue: null\nValidator: v.boolean()",
    ],
    [
      "E-B-3 key of a record",
      v.record(v.id("users"), v.any()),
      { k: 1 },
      'Value does not match validator.\nPath: .keys()\nValue: "k"\nValidator: v.id("users")',
    ],
    [
      "E-B-3 no member of a union matches",
      v.object({ u: v.union(v.string(), v.literal("x"), v.null()) }),
      { u: new Uint8Array([1, 2, 3]).buffer },
      'Value does not match validator.\nPath: .u\nValue: b"AQID"\nValidator: v.union(v.string(), v.literal("x"), v.null())',
    ],
    [
      "E-B-3 a union of one reports its member",
      v.union(v.object({ a: v.string() })),
      { a: 1 },
      "Value does not match validator.\nPath: .a\nValue: 1.0\nValidator: v.string()",
    ],
    ["E-B-3 an empty union", v.union(), null, "Value does not match validator.\n\nValue: null\nValidator: v.union()"],
    [
      "E-B-3 a string that is no id",
      v.id("users"),
      "nope",
      'Value does not match validator.\n\nValue: "nope"\nValidator: v.id("users")',
    ],
    [
      "E-B-3 an id of a table that is gone",
      v.id("users"),
      id(10_999),
      `Value does not match validator.\n\nValue: "${id(10_999)}"\nValidator: v.id("users")`,
    ],
    [
      "E-B-4 id of another table at the root",
      v.id("users"),
      ID,
      `Found ID "${ID}" from table \`posts\`, which does not match the table name in validator \`v.id("users")\`.`,
    ],
    [
      "E-B-4 id of another table inside, path without a space",
      v.object({ author: v.id("users") }),
      { author: ID },
      `Found ID "${ID}" from table \`posts\`, which does not match the table name in validator \`v.id("users")\`.Path: .author`,
    ],
    [
      "E-B-4 id of a system table",
      v.id("users"),
      SYSTEM,
      `Found ID "${SYSTEM}" from a system table, which does not match the table name in validator \`v.id("users")\`.`,
    ],
    [
      "E-B-4 id of a file",
      v.id("users"),
      FILE,
      `Found ID "${FILE}" from a system table, which does not match the table name in validator \`v.id("users")\`.`,
    ],
    ["E-B-5 literal at the root", v.literal("a"), "b", '`"b"` does not match literal validator `v.literal("a")`.'],
    [
      "E-B-5 literal inside",
      v.object({ kind: v.array(v.literal(1)) }),
      { kind: [1, 2] },
      "`2.0` does not match literal validator `v.literal(1.0)`.Path: .kind[1]",
    ],
    ["E-B-5 a bigint is no number", v.literal(1n), 1, "`1.0` does not match literal validator `v.literal(1)`."],
  ])("%s", (_title, validator, value, message) => {
    expect(check(validator, value)).toBe(message);
  });

  test("E-B-6 not exactly one object", () => {
    const validator = compileArgsValidator(json(v.object({})));
    const any = compileArgsValidator(json(v.any()));
    const cases: [JsonValue[], string][] = [
      [[], "Expected to receive a single object as the function's argument. Instead received 0 arguments: []"],
      [
        [{}, { a: "x" }],
        'Expected to receive a single object as the function\'s argument. Instead received 2 arguments: [{}, {a: "x"}]',
      ],
      [[5], "Expected to receive an object as the function's argument. Instead received: 5.0"],
      [[null], "Expected to receive an object as the function's argument. Instead received: null"],
      [[[{}]], "Expected to receive an object as the function's argument. Instead received: [{}]"],
      [[{ $integer: "AQAAAAAAAAA=" }], "Expected to receive an object as the function's argument. Instead received: 1"],
    ];
    for (const [args, message] of cases) {
      expect(checkArgs(validator, args, tables)).toBe(`ArgumentValidationError: ${message}`);
      expect(checkArgs(any, args, tables)).toBeNull();
    }
    expect(checkArgs(validator, [{}], tables)).toBeNull();
    expect(checkArgs(compile(v.object({ a: v.null() })), [{ a: 1 }], tables)).toBe(
      "ArgumentValidationError: Value does not match validator.\nPath: .a\nValue: 1.0\nValidator: v.null()",
    );
  });

  test("E-B-7 bad returns", () => {
    expect(checkReturns(compile(v.null()), null, tables)).toBeNull();
    expect(checkReturns(compile(v.null()), 1, tables)).toBe(
      "ReturnsValidationError: Value does not match validator.\n\nValue: 1.0\nValidator: v.null()",
    );
  });

  test("CHK2 an unresolved commit timestamp passes for an int64", () => {
    for (const validator of [v.int64(), v.commitTs(), v.any()]) {
      expect(checkValue(compile(validator), { $commitTs: null }, tables)).toBeNull();
    }
    expect(checkValue(compile(v.number()), { $commitTs: null }, tables)).toContain("Value does not match validator.");
  });
});

test("DSP1 validators display as a developer writes them", () => {
  const validator = v.object({
    b: v.optional(v.union(v.id("t"), v.null(), v.float64(), v.int64(), v.commitTs())),
    a: v.record(v.string(), v.array(v.object({}))),
    c: v.union(v.boolean(), v.bytes(), v.any(), v.literal('q"\n'), v.literal(true), v.literal(5n), v.literal(0.5)),
  });
  expect(displayValidator(compile(validator))).toBe(
    'v.object({a: v.record(v.string(), v.array(v.object({}))), b: v.optional(v.union(v.id("t"), v.null(), v.float64(), v.int64(), v.commitTs())), c: v.union(v.boolean(), v.bytes(), v.any(), v.literal("q\\"\\n"), v.literal(true), v.literal(5), v.literal(0.5))})',
  );
});

test.each<[Value, string]>([
  [null, "null"],
  [true, "true"],
  [-5n, "-5"],
  [1, "1.0"],
  [-0, "-0.0"],
  [0, "0.0"],
  [0.1, "0.1"],
  [0.0001, "0.0001"],
  [0.00001, "1e-5"],
  [-1.5e-7, "-1.5e-7"],
  [1e15, "1000000000000000.0"],
  [1e16, "1e16"],
  [1.2345e300, "1.2345e300"],
  [123456789.5, "123456789.5"],
  [Number.NaN, "NaN"],
  [Infinity, "inf"],
  [-Infinity, "-inf"],
  ['a"b\\c\n\r\t\0é\u{1f600}', '"a\\"b\\\\c\\n\\r\\t\\0é\u{1f600}"'],
  ["\u0001\u007f\u200b\u00a0", '"\\u{1}\\u{7f}\\u{200b}\\u{a0}"'],
  [new Uint8Array([0]).buffer, 'b"AA=="'],
  [[], "[]"],
  [[1, ["a"]], '[1.0, ["a"]]'],
  [{}, "{}"],
  [{ b: 1, a: { "x y": null }, 10: 1, 9: 2 }, "{10: 1.0, 9: 2.0, a: {x y: null}, b: 1.0}"],
])("DSP2 value %o displays as %s", (value, text) => {
  expect(displayValue(encoded(value))).toBe(text);
});

const field = (fieldType: JsonValue, optional = false) => ({ fieldType, optional });

const record = (keys: JsonValue, values: JsonValue) => ({ type: "record", keys, values });

describe("VLD1 structural mistakes in a validator", () => {
  const string = { type: "string" };
  test.each<[JsonValue, string]>([
    [
      record({ type: "number" }, field(string)),
      "Records can only have string keys. Your validator contains a record with key typed as `v.float64()`, which is not a subtype of `v.string()`",
    ],
    [
      record({ type: "union", value: [string, { type: "literal", value: 1 }] }, field(string)),
      "Records can only have string keys. Your validator contains a record with key typed as `v.union(v.string(), v.literal(1.0))`, which is not a subtype of `v.string()`",
    ],
    [
      record({ type: "union", value: [string, { type: "literal", value: "k" }] }, field(string)),
      "Records cannot have string literal keys",
    ],
    [record(string, field(string, true)), "Records cannot have optional values"],
    [
      { type: "object", value: { "1a": field(string) } },
      "Invalid validator for key `1a`: Invalid first character '1' in 1a: Identifiers must start with an alphabetic character or underscore",
    ],
    [
      { type: "object", value: { a: field({ type: "id", tableName: "b-c" }) } },
      "Invalid validator for key `a`: Identifier b-c has invalid character '-': Identifiers can only contain alphanumeric characters or underscores",
    ],
    [{ type: "literal", value: { $float: "AAAAAAAA+H8=" } }, "Value NaN is not a valid literal."],
    [{ type: "literal", value: { $float: "AAAAAAAA8P8=" } }, "Value -inf is not a valid literal."],
    [{ type: "literal", value: [1] }, "Value [1.0] is not a valid literal."],
    [{ type: "literal", value: null }, "Value null is not a valid literal."],
    [{ type: "date" }, 'Malformed validator {"type":"date"}'],
    [{ type: "constructor" }, 'Malformed validator {"type":"constructor"}'],
    [{ type: "array" }, 'Malformed validator {"type":"array"}'],
    [null, "Malformed validator null"],
  ])("%j", (validator, message) => {
    expect(() => compileValidator(validator)).toThrow(expect.objectContaining({ errorClass: "BadRequest", message }));
  });

  test("VLD2 args must be an object or any", () => {
    expect(() => compileArgsValidator({ type: "string" })).toThrow("Args validator must be an object or any");
    expect(compileArgsValidator({ type: "any" }).kind).toBe("any");
  });

  test("legacy kinds accept anything", () => {
    for (const type of ["map", "set"]) expect(checkValue(compileValidator({ type, keys: 1 }), [1], tables)).toBeNull();
    expect(compileValidator(record({ type: "id", tableName: "t" }, field(string))).kind).toBe("record");
  });

  test("every kind that the package builds is read", () => {
    fc.assert(
      fc.property(validatorAndValue, ([validator]) => {
        expect(displayValidator(compile(validator))).toMatch(/^v\./);
      }),
    );
  });
});

test("CHK3 a field named like a method of objects is just a field", () => {
  const validator = compile(v.object({ toString: v.optional(v.string()), constructor: v.number() }));
  expect(checkValue(validator, { constructor: 1 }, tables)).toBeNull();
  expect(must(checkValue(validator, {}, tables), "mismatch")).toContain("missing the required field `constructor`");
});
