import { expect, test } from "vitest";
import { frame, unframe } from "../../../src/shared/frame.ts";

test.each([
  ["{}", null, []],
  ["", new Uint8Array(0), []],
  ["ünïcödé 🙂", Uint8Array.of(0, 255, 1), [0, 255, 1]],
])("P-H-4 a frame of %j and bytes gives both back", (head, bytes, expected) => {
  const inside = new Uint8Array([9, ...frame(head, bytes), 9]).subarray(1, -1);
  for (const framed of [frame(head, bytes), inside]) {
    const read = unframe(framed);
    expect([read.head, [...read.bytes]]).toEqual([head, expected]);
  }
});
