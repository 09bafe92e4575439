import { type Value, compareValues } from "convex/values";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  MAX_FIELD_DIGITS,
  afterPrefix,
  fieldAt,
  idOfKey,
  indexKey,
  prefixInterval,
} from "../../../src/engine/index-key.ts";
import type { InternalId } from "../../../src/engine/names.ts";
import { encodeValue } from "../../../src/engine/value-key.ts";
import { toJson } from "./support.ts";

const ID = "00112233445566778899AABBCCDDEEFF" as InternalId;

/** NaNs other than the canonical one have no JavaScript literal, so no developer can write one. */
const float = fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN, Infinity, -Infinity, 5e-324));

const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -70_000n, max: 70_000n }),
  fc.constantFrom(-129n, -128n, 127n, 128n, 2n ** 31n, -(2n ** 31n), 2n ** 63n - 1n, -(2n ** 63n)),
);

const value: fc.Arbitrary<Value | undefined> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant(null),
    int64,
    float,
    fc.boolean(),
    fc.string({ unit: "grapheme", maxLength: 6 }),
    fc.string({ unit: fc.constantFrom("\0", "\u0001", "a", "\u{1F600}", "\uFFFD"), maxLength: 4 }),
    fc.uint8Array({ maxLength: 4 }).map((bytes) => Uint8Array.from(bytes).buffer),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("", "a", "ab", "b", " "), tie("value"), { maxKeys: 3 }),
  ),
})).value;

function encode(v: Value | undefined): string {
  return encodeValue(v === undefined ? undefined : toJson(v));
}

test("P-D-6 KEY1 the order of encodings is the order of values", () => {
  fc.assert(
    fc.property(fc.option(value, { nil: undefined }), fc.option(value, { nil: undefined }), (a, b) => {
      const [left, right] = [encode(a), encode(b)];
      expect(Math.sign(compareValues(a, b))).toBe(left < right ? -1 : left > right ? 1 : 0);
    }),
    { numRuns: 3000 },
  );
});

test("KEY2 no encoding is a prefix of another but for an escaped zero, so that fields can be concatenated", () => {
  fc.assert(
    fc.property(fc.option(value, { nil: undefined }), fc.option(value, { nil: undefined }), (a, b) => {
      const [left, right] = [encode(a), encode(b)];
      expect(left === right || !right.startsWith(left) || right.startsWith(`${left}FF`)).toBe(true);
      expect(left < "FF").toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("KEY3 keys of several fields are in the order of the fields, then of the ids", () => {
  const optional = fc.option(value, { nil: undefined });
  const tuple = fc.tuple(optional, optional, fc.constantFrom(1, 1.5, 2), fc.boolean());
  fc.assert(
    fc.property(tuple, tuple, (a, b) => {
      const key = ([x, y, time, high]: typeof a) =>
        indexKey(
          [["x"], ["y"], ["_creationTime"]],
          {
            ...(x === undefined ? {} : { x: toJson(x) }),
            ...(y === undefined ? {} : { y: toJson(y) }),
            _creationTime: time,
          },
          (high ? "FF" : "00").repeat(16) as InternalId,
        );
      const order =
        compareValues(a[0], b[0]) || compareValues(a[1], b[1]) || a[2] - b[2] || Number(a[3]) - Number(b[3]);
      expect(Math.sign(order)).toBe(key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
    }),
    { numRuns: 1000 },
  );
});

test.each<[string, Value | undefined, string]>([
  ["a missing field", undefined, "01"],
  ["null", null, "03"],
  ["int64 zero", 0n, "08"],
  ["a small int64", 1n, "0901"],
  ["a small negative int64", -1n, "07FF"],
  ["an int64 of two bytes", 128n, "0A0080"],
  ["the largest int64", 2n ** 63n - 1n, "0C7FFFFFFFFFFFFFFF"],
  ["a float", 1, "0DBFF0000000000000"],
  ["minus zero", -0, "0D7FFFFFFFFFFFFFFF"],
  ["false", false, "0E"],
  ["true", true, "0F"],
  ["a string with a zero", "a\0", "106100FF00"],
  ["bytes", Uint8Array.of(0, 255).buffer, "1100FFFF00"],
  ["an array", [null, false], "12030E00"],
  ["an object", { b: null, "": true }, "1500FF0F6200" + "0300"],
])("KEY4 %s is encoded as the reference says", (_, v, expected) => {
  expect(encode(v)).toBe(expected);
});

test("KEY5 an unresolved commit timestamp sorts as the largest int64", () => {
  expect(encodeValue({ $commitTs: null })).toBe(encode(2n ** 63n - 1n));
});

test("KEY6 long fields are cut to 4096 bytes and the key still names its document", () => {
  const key = indexKey([["a"], ["b"]], { a: "x".repeat(5000), b: 1 }, ID);
  expect(key.length).toBe(MAX_FIELD_DIGITS + 32);
  expect(idOfKey(key)).toBe(ID);
});

test("KEY7 a prefix bounds exactly the keys that begin with it", () => {
  const hex = fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes).toString("hex").toUpperCase());
  fc.assert(
    fc.property(hex, hex, (prefix, key) => {
      const { start, end } = prefixInterval(prefix);
      expect(key >= start && (end === null || key < end)).toBe(key.startsWith(prefix));
    }),
    { numRuns: 3000 },
  );
  expect(afterPrefix("FFFF")).toBeNull();
  expect(afterPrefix("01FF")).toBe("02");
});

test("KEY8 field paths end at anything that is not an object, and never at a prototype", () => {
  const document = { a: { b: [1], constructor: 2 }, n: { $integer: "AQAAAAAAAAA=" } };
  expect(fieldAt(document, ["a", "b"])).toEqual([1]);
  expect(fieldAt(document, ["a", "b", "0"])).toBeUndefined();
  expect(fieldAt(document, ["a", "constructor"])).toBe(2);
  expect(fieldAt(document, ["constructor"])).toBeUndefined();
  expect(fieldAt(document, ["n", "x"])).toBeUndefined();
});
