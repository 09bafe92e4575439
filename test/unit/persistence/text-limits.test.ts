import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundText, isLongerThan, jsonArrays, splitText, utf8Length } from "../../../src/persistence/d1/text-limits.ts";

const text = fc.string({ unit: "binary", maxLength: 200 });

describe("text limits", () => {
  test("TXT1 the UTF-8 length is that of the encoder", () => {
    fc.assert(
      fc.property(fc.oneof(text, fc.constantFrom("\ud800", "\udc00x", "x\ud83d", "😀é\u0000")), (value) => {
        expect(utf8Length(value)).toBe(new TextEncoder().encode(value).length);
        expect(isLongerThan(value, utf8Length(value))).toBe(false);
        expect(value === "" || isLongerThan(value, utf8Length(value) - 1)).toBe(true);
      }),
    );
  });

  test("TXT2 pieces join to the text, fit, and never cut a character", () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 4, max: 40 }), (value, max) => {
        const pieces = splitText(value, max);
        expect(pieces.join("")).toBe(value);
        for (const piece of pieces) {
          expect(utf8Length(piece)).toBeLessThanOrEqual(max);
          expect(piece.isWellFormed()).toBe(true);
        }
      }),
    );
  });

  test("TXT3 JSON arrays hold every item in order, each below 2,000,000 bytes", () => {
    const items = Array.from({ length: 60 }, (_, n) => JSON.stringify(`${n}${"é".repeat(50_000)}`));
    const arrays = jsonArrays(items);
    expect(arrays).toHaveLength(4);
    for (const array of arrays) expect(utf8Length(array)).toBeLessThanOrEqual(2_000_000);
    expect(arrays.flatMap((array): unknown => JSON.parse(array))).toEqual(
      items.map((item): unknown => JSON.parse(item)),
    );
    expect(jsonArrays([])).toEqual([]);
    expect(jsonArrays(["1", "[2]"])).toEqual(["[1,[2]]"]);
  });

  test("TXT4 binding 2,000,000 bytes is allowed, one more is a bug", () => {
    const allowed = "x".repeat(2_000_000);
    expect(boundText(allowed)).toBe(allowed);
    expect(() => boundText(`${allowed}x`)).toThrow("2000001 bytes");
    expect(() => boundText("é".repeat(1_000_001))).toThrow("2000002 bytes");
  });
});
