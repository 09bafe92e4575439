import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isSubset } from "../../../src/deploy/validator-subset.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../src/shared/json.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);

const leaf: fc.Arbitrary<JsonValue> = fc.oneof(
  fc.constantFrom<JsonValue>(
    { type: "string" },
    { type: "number" },
    { type: "boolean" },
    { type: "null" },
    { type: "any" },
  ),
  fc.constantFrom<JsonValue>("a", "b", 1, true).map((value) => ({ type: "literal", value })),
);

const { validator } = fc.letrec<{ validator: JsonValue }>((tie) => ({
  validator: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    tie("validator").map((value) => ({ type: "array", value })),
    fc.array(tie("validator"), { minLength: 1, maxLength: 3 }).map((value) => ({ type: "union", value })),
    fc.dictionary(fc.constantFrom("x", "y"), fc.tuple(tie("validator"), fc.boolean())).map((fields) => ({
      type: "object",
      value: Object.fromEntries(
        Object.entries(fields).map(([name, [fieldType, optional]]) => [name, { fieldType, optional }]),
      ),
    })),
  ),
}));

const value: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<JsonValue>("a", "b", "c", 1, 2, true, false, null),
    fc.array(tie("value"), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom("x", "y", "z"), tie("value")),
  ),
})).value;

test(`DP40 what is called a subset is one (seed ${seed})`, () => {
  let subsets = 0;
  fc.assert(
    fc.property(validator, validator, fc.array(value, { minLength: 5, maxLength: 20 }), (narrow, wide, values) => {
      if (!isSubset(narrow, wide)) return;
      subsets++;
      for (const candidate of values) if (matches(narrow, candidate)) expect(matches(wide, candidate)).toBe(true);
    }),
    { seed, numRuns: 3000 },
  );
  expect(subsets).toBeGreaterThan(50);
});

test("DP41 the changes people make often are recognised, their opposites are not", () => {
  const object = (fields: Record<string, [JsonValue, boolean]>): JsonObject => ({
    type: "object",
    value: Object.fromEntries(
      Object.entries(fields).map(([name, [fieldType, optional]]) => [name, { fieldType, optional }]),
    ),
  });
  const text = { type: "string" };
  const either = { type: "union", value: [text, { type: "null" }] };
  const pairs: [JsonValue, JsonValue][] = [
    [object({ a: [text, false] }), object({ a: [text, false], b: [text, true] })],
    [object({ a: [text, false] }), object({ a: [text, true] })],
    [object({ a: [text, false] }), object({ a: [either, false] })],
    [object({ a: [{ type: "id", tableName: "t" }, false] }), object({ a: [text, false] })],
    [{ type: "literal", value: "x" }, text],
    [{ type: "record", keys: text, values: { fieldType: text, optional: false } }, { type: "any" }],
  ];
  for (const [narrow, wide] of pairs) {
    expect(isSubset(narrow, wide)).toBe(true);
    expect(isSubset(wide, narrow)).toBe(false);
    expect(isSubset(narrow, narrow)).toBe(true);
  }
});

/** A naive reading of the validators above. */
function matches(validator: JsonValue, candidate: JsonValue | undefined): boolean {
  if (!isJsonObject(validator) || candidate === undefined) return false;
  const inner = validator["value"];
  switch (validator["type"]) {
    case "any":
      return true;
    case "null":
      return candidate === null;
    case "literal":
      return candidate === inner;
    case "array":
      return Array.isArray(candidate) && candidate.every((item) => matches(inner ?? null, item));
    case "union":
      return Array.isArray(inner) && inner.some((member) => matches(member, candidate));
    case "object": {
      if (!isJsonObject(candidate) || !isJsonObject(inner)) return false;
      if (Object.keys(candidate).some((name) => !Object.hasOwn(inner, name))) return false;
      return Object.entries(inner).every(([name, field]) => {
        if (!isJsonObject(field)) return false;
        if (!Object.hasOwn(candidate, name)) return field["optional"] === true;
        return matches(field["fieldType"] ?? null, candidate[name]);
      });
    }
    default:
      return typeof candidate === validator["type"];
  }
}
