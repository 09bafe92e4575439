import { expect, test } from "vitest";
import { checkConvexJson } from "../../../src/values/convex-json.ts";
import { resolveCommitTs } from "../../../src/values/commit-ts.ts";

test("CTS1 every occurrence becomes the same int64, nothing else changes", () => {
  const untouched = { list: [1, { $integer: "AQAAAAAAAAA=" }, '{"$commitTs":null}'], n: null };
  const value = { a: { $commitTs: null }, b: [{ c: { $commitTs: null } }], untouched };
  const resolved = resolveCommitTs(value, 1_795_169_862_379_000_001n);
  const timestamp = { $integer: "wVCWhnq56Rg=" };
  expect(Buffer.from(timestamp.$integer, "base64").readBigInt64LE()).toBe(1_795_169_862_379_000_001n);
  expect(resolved).toEqual({ a: timestamp, b: [{ c: timestamp }], untouched });
  expect(checkConvexJson(resolved).size).toBe(checkConvexJson(value).size);
  expect(resolveCommitTs(untouched, 1n)).toBe(untouched);
});
