import { expect, test } from "vitest";
import { type Value, jsonToConvex } from "convex/values";
import { type ValueFormat, formatValue, parseValueFormat } from "../../../src/values/clean-json.ts";
import { convexValue, encoded, parsed, fc } from "./arbitraries.ts";

const VALUE: Value = {
  bigint: 9007199254740993n,
  bytes: new Uint8Array([1, 2, 3]).buffer,
  float: 1.5,
  list: [-0, Number.NaN, Infinity, -Infinity, 0],
  nested: { 'a"b': "x\n", n: null, t: true },
};

test.each<[ValueFormat, string]>([
  [
    "json",
    '{"bigint":"9007199254740993","bytes":"AQID","float":1.5,"list":[-0.0,"NaN","Infinity","-Infinity",0],"nested":{"a\\"b":"x\\n","n":null,"t":true}}',
  ],
  [
    "export_json",
    '{"bigint":9007199254740993,"bytes":{"$bytes":"AQID"},"float":1.5,"list":[{"$float":"AAAAAAAAAIA="},{"$float":"AAAAAAAA+H8="},{"$float":"AAAAAAAA8H8="},{"$float":"AAAAAAAA8P8="},0],"nested":{"a\\"b":"x\\n","n":null,"t":true}}',
  ],
  ["convex_encoded_json", JSON.stringify(encoded(VALUE))],
])("FMT1 %s", (format, text) => {
  expect(formatValue(encoded(VALUE), format)).toBe(text);
});

test("FMT2 encoded JSON is lossless, clean JSON is always JSON", () => {
  fc.assert(
    fc.property(convexValue, (value) => {
      expect(jsonToConvex(JSON.parse(formatValue(parsed(value), "convex_encoded_json")))).toEqual(value);
      expect(() => JSON.parse(formatValue(parsed(value), "json"))).not.toThrow();
      expect(() => JSON.parse(formatValue(parsed(value), "export_json"))).not.toThrow();
    }),
  );
});

test("E-B-14 format names and their aliases", () => {
  const names = ["convex_encoded_json", "convex_json", "json", "convex_clean_json", "export_json"];
  expect(names.map(parseValueFormat)).toEqual([
    "convex_encoded_json",
    "convex_encoded_json",
    "json",
    "json",
    "export_json",
  ]);
  for (const name of ["xml", "toString"]) {
    expect(() => parseValueFormat(name)).toThrow(
      expect.objectContaining({ code: "BadFormat", message: `format param must be one of [\`json\`]. Got ${name}` }),
    );
  }
});
