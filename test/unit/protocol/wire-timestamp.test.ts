import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decodeWireTimestamp, encodeWireTimestamp } from "../../../src/protocol/wire-timestamp.ts";

test("TS1 zero is eight zero bytes", () => {
  expect(encodeWireTimestamp(0)).toBe("AAAAAAAAAAA=");
});

test("TS1 a timestamp is little-endian nanoseconds", () => {
  const bytes = Buffer.from(encodeWireTimestamp(1_795_169_862_379_123), "base64");
  expect(bytes.readBigUInt64LE()).toBe(1_795_169_862_379_123_000n);
});

test("TS2 every microsecond survives the round trip", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (microseconds) => {
      const text = encodeWireTimestamp(microseconds);
      expect(text).toHaveLength(12);
      expect(decodeWireTimestamp(text)).toBe(microseconds);
    }),
  );
});

test.each(["", "AAAAAAAAAAA", "AAAAAAAAAAAA", "AAAAAAAAAAB=", "AAAAAAAAA==", "!AAAAAAAAAA=", "//////////8="])(
  "TS3 %j is no timestamp of ours",
  (text) => {
    expect(decodeWireTimestamp(text)).toBeNull();
  },
);
