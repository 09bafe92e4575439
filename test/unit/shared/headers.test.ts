import { expect, test } from "vitest";
import { headerList, headersInit } from "../../../src/shared/headers.ts";

test.each([
  [[["a", "1"]]],
  [
    [
      ["__proto__", "x"],
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ],
  ],
  [[["__proto__", "x"]]],
  [[]],
] as [string, string][][][])("P-H-5 headers %j are the same on the other side", (pairs) => {
  const sent: ReturnType<typeof headerList> = JSON.parse(JSON.stringify(headerList(new Headers(pairs))));
  expect([...new Headers(headersInit(sent))]).toEqual(pairs);
});
