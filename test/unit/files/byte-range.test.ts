import { expect, test } from "vitest";
import { requestedRange } from "../../../src/files/byte-range.ts";

function part(offset: number, length: number) {
  return { kind: "part", range: { offset, length } };
}

test("P-B-4 F8 F9 ranges of RFC 9110", () => {
  for (const [header, expected] of [
    [null, { kind: "whole" }],
    ["bytes=0-0", part(0, 1)],
    ["bytes=2-5", part(2, 4)],
    ["BYTES = 2 - 5 ", part(2, 4)],
    ["bytes=9-", part(9, 1)],
    ["bytes=3-100", part(3, 7)],
    ["bytes=-4", part(6, 4)],
    ["bytes=-10", part(0, 10)],
    ["bytes=-11", part(0, 10)],
    ["bytes=-99999999999999999999999", part(0, 10)],
    ["bytes=-0", { kind: "unsatisfiable" }],
    ["bytes=10-", { kind: "unsatisfiable" }],
    ["bytes=10-12", { kind: "unsatisfiable" }],
    ["bytes=99999999999999999999999-", { kind: "unsatisfiable" }],
    ["bytes=0-1,3-4", { kind: "unsatisfiable" }],
    ["bytes=5-2", { kind: "whole" }],
    ["bytes=", { kind: "whole" }],
    ["bytes=-", { kind: "whole" }],
    ["bytes=1.5-2", { kind: "whole" }],
    ["items=1-2", { kind: "whole" }],
  ] as const) {
    expect([header, requestedRange(header, 10)]).toEqual([header, expected]);
  }
  for (const header of ["bytes=0-", "bytes=-1", "bytes=0-1,2-3"]) {
    expect(requestedRange(header, 0)).toEqual({ kind: "whole" });
  }
});
