import { describe, expect, test } from "vitest";
import { toHex } from "../../../src/shared/bytes.ts";
import { encodeBase32 } from "../../../src/values/base32.ts";
import {
  allocateInternalId,
  decodeDocumentId,
  encodeDocumentId,
  tryDecodeDocumentId,
} from "../../../src/values/document-id.ts";
import { legacyInternalId } from "../../../src/values/legacy-id.ts";
import { fc } from "./arbitraries.ts";

const COUNTING = Uint8Array.from({ length: 16 }, (_, i) => i);
const VECTORS = [
  { tableNumber: 10_001, internal: COUNTING, text: "j57000820c20a1g7104gm2rc1m70ynr8" },
  { tableNumber: 1, internal: new Uint8Array(16), text: "0400000000000000000000000000248" },
  { tableNumber: 1234, internal: new Uint8Array(16).fill(255), text: "t84zzzzzzzzzzzzzzzzzzzzzzzzzzjyn" },
];

test.each(VECTORS)("ID1 $text encodes table $tableNumber and decodes to it", ({ tableNumber, internal, text }) => {
  expect(encodeDocumentId(tableNumber, internal)).toBe(text);
  expect(encodeDocumentId(tableNumber, toHex(internal))).toBe(text);
  expect(decodeDocumentId(text)).toEqual({ tableNumber, internalId: toHex(internal) });
  expect(tryDecodeDocumentId(text)).toEqual({ tableNumber, internalId: toHex(internal) });
});

test("ID2 every id decodes to what was encoded, and has 31 to 37 characters", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 0xffff_ffff }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (number, bytes) => {
        const text = encodeDocumentId(number, bytes);
        expect(text).toMatch(/^[0-9a-hjkmnp-tv-z]{31,37}$/);
        expect(decodeDocumentId(text)).toEqual({ tableNumber: number, internalId: toHex(bytes) });
      },
    ),
  );
});

test("ID3 one changed character never gives another id's text for the same document", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20_000 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.nat(30),
      fc.constantFrom(...Array.from("0123456789abcdefghjkmnpqrstvwxyz")),
      (number, bytes, at, character) => {
        const text = encodeDocumentId(number, bytes);
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        const decoded = tryDecodeDocumentId(changed);
        if (decoded !== null) expect(encodeDocumentId(decoded.tableNumber, decoded.internalId)).toBe(changed);
        if (changed !== text) expect(decoded).not.toEqual(decodeDocumentId(text));
      },
    ),
  );
});

describe("ID4 what is no id says why", () => {
  const overlong = idBytes([0x81, 0x00]);
  const tooLarge = idBytes([0xff, 0xff, 0xff, 0xff, 0x7f]);
  const endless = idBytes([0xff, 0xff, 0xff, 0xff, 0xff]);
  test.each([
    ["", "Unable to decode ID: Invalid ID length 0"],
    ["not-an-id", "Unable to decode ID: Invalid ID length 9"],
    ["0".repeat(38), "Unable to decode ID: Invalid ID length 38"],
    ["é", "Unable to decode ID: Invalid ID length 2"],
    ["J57000820c20a1g7104gm2rc1m70ynr8", "Unable to decode ID: ID wasn't valid base32"],
    ["i57000820c20a1g7104gm2rc1m70ynr8", "Unable to decode ID: ID wasn't valid base32"],
    ["é57000820c20a1g7104gm2rc1m70ynr8", "Unable to decode ID: ID wasn't valid base32"],
    ["0".repeat(31), "Unable to decode ID: Invalid table number"],
    [tooLarge, "Unable to decode ID: Invalid table number"],
    [endless, "Unable to decode ID: Invalid table number"],
    // The last digit holds the lowest bit of the high checksum byte: 0x0857 becomes 0x0957.
    ["j57000820c20a1g7104gm2rc1m70ynr9", "Unable to decode ID: Invalid ID version 2391 (expected 2135)"],
    ["0400000000000000000000000000249", "Unable to decode ID: ID wasn't valid base32"],
    [overlong, "Unable to decode ID: ID wasn't valid base32"],
    ["04000000000000000000000000002480", "Unable to decode ID: Invalid ID length 32"],
  ])("%s", (text, message) => {
    expect(tryDecodeDocumentId(text)).toBeNull();
    expect(() => decodeDocumentId(text)).toThrow(expect.objectContaining({ errorClass: "BadRequest", message }));
  });
});

test("ID5 an internal id is 14 random bytes and the day, big-endian", () => {
  const random = { bytes: (length: number) => new Uint8Array(length).fill(0xab) };
  const day = 0x4f21;
  const bytes = allocateInternalId(random, { now: () => day * 86_400_000 + 86_399_999.5 });
  expect(toHex(bytes)).toBe(`${"AB".repeat(14)}4F21`);
});

test("ID6 only bugs encode an impossible id", () => {
  expect(() => encodeDocumentId(0, COUNTING)).toThrow("Table number 0 out of range");
  expect(() => encodeDocumentId(1, new Uint8Array(15))).toThrow("Internal id of 15 bytes");
});

test("ID7 a legacy id in URL-safe base64 gives its internal bytes, anything else null", () => {
  const bytes = Uint8Array.from({ length: 16 }, (_, i) => 255 - i);
  const text = Buffer.from(bytes).toString("base64url");
  expect(legacyInternalId(text)).toBe(toHex(bytes));
  for (const foreign of ["", "hello", `${text}==`, text.replace("_", "/"), `${text}A`, `${text.slice(0, -1)}9`]) {
    expect(legacyInternalId(foreign)).toBeNull();
  }
});

/** Text of an id whose table number is written with these bytes, checksum right. */
function idBytes(tableNumber: readonly number[]): string {
  const body = [...tableNumber, ...COUNTING];
  let low = 0;
  let high = 0;
  for (const byte of body) {
    low = (low + byte) & 255;
    high = (high + low) & 255;
  }
  return encodeBase32(Uint8Array.from([...body, low, high]));
}
