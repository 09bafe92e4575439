import { convexToJson, type Value } from "convex/values";
import { expect, test } from "vitest";
import { checkConvexJsonText } from "../../../src/values/convex-json.ts";
import { mayExceedLimits } from "../../../src/values/scan-json.ts";
import { fc } from "./arbitraries.ts";

function nested(levels: number): string {
  return "[".repeat(levels) + "]".repeat(levels);
}

test("E-E-4 what is within the limits of values needs no second look", () => {
  expect(mayExceedLimits("null")).toBe(false);
  expect(mayExceedLimits(nested(64))).toBe(false);
  expect(mayExceedLimits(JSON.stringify(Array.from({ length: 1024 }, () => 1)))).toBe(false);
  expect(mayExceedLimits(JSON.stringify({ text: ',[{"'.repeat(5000) }))).toBe(false);
  expect(mayExceedLimits(JSON.stringify(['\\"', "a\\", ",".repeat(2000)]))).toBe(false);
});

test("E-E-4 what may be beyond a limit is looked at again", () => {
  expect(mayExceedLimits(nested(65))).toBe(true);
  expect(mayExceedLimits(JSON.stringify(Array.from({ length: 8193 }, () => 1)))).toBe(true);
  expect(
    mayExceedLimits(JSON.stringify(Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [`f${i}`, 1])))),
  ).toBe(true);
  expect(mayExceedLimits(JSON.stringify("\ud800"))).toBe(true);
  expect(mayExceedLimits(JSON.stringify({ a: ['"', nested(65)], b: JSON.parse(nested(65)) }))).toBe(true);
});

test("E-E-4 nothing that the full check refuses is passed over", () => {
  const limits = { size: 400, nesting: 4, arrayLength: 5, objectFields: 3, fieldNameLength: 1024 };
  const { value } = fc.letrec<{ value: Value }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      fc.oneof(
        fc.string(),
        fc.constant('\\"'),
        fc.constant("\ud800"),
        fc.integer(),
        fc.bigInt(-5n, 5n),
        fc.constant(-0),
      ),
      fc.array(tie("value"), { maxLength: 8 }),
      fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), tie("value"), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(value, (candidate) => {
      const text = JSON.stringify(convexToJson(candidate));
      if (!mayExceedLimits(text, limits)) expect(() => checkConvexJsonText(text, limits)).not.toThrow();
    }),
    { numRuns: 2000 },
  );
});
