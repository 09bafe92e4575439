import { compareValues, jsonToConvex } from "convex/values";
import { expect, test } from "vitest";
import { compareConvexJson, equalConvexJson } from "../../../src/values/compare.ts";
import { convexValue, parsed, fc } from "./arbitraries.ts";

const optional = fc.option(convexValue, { nil: undefined });

test("ORD1 any two values, or a missing one, compare as the package compares them", () => {
  fc.assert(
    fc.property(optional, optional, (a, b) => {
      const left = a === undefined ? undefined : parsed(a);
      const right = b === undefined ? undefined : parsed(b);
      expect(compareConvexJson(left, right)).toBe(Math.sign(compareValues(a, b)) + 0);
    }),
    { numRuns: 2000 },
  );
});

test("ORD2 a value equals its own copy, and a change of one field is a difference", () => {
  fc.assert(
    fc.property(convexValue, (value) => {
      expect(equalConvexJson(parsed(value), parsed(value))).toBe(true);
      expect(equalConvexJson({ a: parsed(value), b: 1 }, { a: parsed(value), b: 2 })).toBe(false);
    }),
  );
});

test("ORD3 types in their order, strings by UTF-8, −0 before 0, an unresolved commit timestamp last of the int64s", () => {
  const ascending = [
    undefined,
    null,
    { $integer: "AAAAAAAAAIA=" },
    { $integer: "/////////38=" },
    { $float: "AAAAAAAA8P8=" },
    -1,
    { $float: "AAAAAAAAAIA=" },
    0,
    { $float: "AAAAAAAA8H8=" },
    { $float: "AAAAAAAA+H8=" },
    false,
    true,
    "",
    "\uffff",
    "\u{10000}",
    { $bytes: "" },
    { $bytes: "AA==" },
    [],
    [null],
    [null, null],
    {},
    { a: 1 },
    { a: 1, b: 1 },
    { a: 2 },
    { b: 0 },
  ];
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries()) expect([i, j, compareConvexJson(a, b)]).toEqual([i, j, Math.sign(i - j)]);
  }
  expect(compareConvexJson({ $commitTs: null }, { $integer: "/////////38=" })).toBe(0);
  expect(compareValues(jsonToConvex({ $commitTs: null }), 2n ** 63n - 1n)).toBe(0);
});
