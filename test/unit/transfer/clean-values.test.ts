import { v, type GenericValidator } from "convex/values";
import { expect, test } from "vitest";
import { fromCleanValue, mentionsSpecialValues } from "../../../src/transfer/clean-values.ts";
import { encodeFloat64, encodeInt64 } from "../../../src/values/special-value.ts";

const json = (validator: GenericValidator) => (validator as unknown as { readonly json: string }).json;

test.each([
  [v.int64(), "-12", encodeInt64(-12n)],
  [v.int64(), "twelve", "twelve"],
  [v.bytes(), "AQID", { $bytes: "AQID" }],
  [v.number(), "-Infinity", encodeFloat64(Number.NEGATIVE_INFINITY)],
  [v.number(), 5, 5],
  [v.string(), "12", "12"],
  [v.any(), "12", "12"],
  [v.array(v.int64()), ["1", "2"], [encodeInt64(1n), encodeInt64(2n)]],
  [v.record(v.string(), v.int64()), { a: "1" }, { a: encodeInt64(1n) }],
  [
    v.object({ a: v.optional(v.int64()), b: v.string() }),
    { a: "1", b: "1", c: "1" },
    { a: encodeInt64(1n), b: "1", c: "1" },
  ],
  [v.union(v.null(), v.int64()), "7", encodeInt64(7n)],
  [v.union(v.int64(), v.string()), "7", "7"],
  [v.union(v.int64(), v.literal("7")), "7", "7"],
  [v.union(v.object({ a: v.int64() }), v.null()), { a: "7" }, { a: encodeInt64(7n) }],
] as const)("XFER7 what %j makes of %j", (validator, value, expected) => {
  expect(fromCleanValue(value, json(validator) as never)).toEqual(expected);
});

test("XFER7 the types beside the documents say whether there is anything to make", () => {
  expect(mentionsSpecialValues('"uniform"')).toBe(false);
  expect(mentionsSpecialValues(JSON.stringify('{"_creationTime": normalfloat64, "int64": string, "a": "bytes"}'))).toBe(
    false,
  );
  expect(mentionsSpecialValues(JSON.stringify('{"_creationTime": normalfloat64, "a": int64}'))).toBe(true);
  expect(mentionsSpecialValues(JSON.stringify('{"a": null | bytes}'))).toBe(true);
});
