import { expect, test } from "vitest";
import { durationWarning, sizeWarnings } from "../../../src/runtime/functions/warnings.ts";

const LIMITS = { argumentBytes: 100, returnBytes: 1000, notes: {} };

test("E-F-18 sizes beyond four fifths of their limit are told, sizes over it are errors instead", () => {
  expect(sizeWarnings("function", 80, 800, LIMITS, 5)).toEqual([]);
  expect(sizeWarnings("function", 101, 1001, LIMITS, 5)).toEqual([]);
  expect(sizeWarnings("function", 81, 1000, LIMITS, 5)).toEqual([
    {
      level: "WARN",
      messages: ["Large size of the function arguments (actual: 81 bytes, limit: 100 bytes)."],
      isTruncated: false,
      timestamp: 5,
      code: "warning:TooLargeFunctionArguments",
    },
    {
      level: "WARN",
      messages: ["Large size of the function return value (actual: 1000 bytes, limit: 1000 bytes)."],
      isTruncated: false,
      timestamp: 5,
      code: "warning:TooLargeFunctionResult",
    },
  ]);
  expect(sizeWarnings("action", 81, 0, LIMITS, 5)).toMatchObject([{ code: "warning:FunctionArgumentsTooLarge" }]);
});

test("E-F-18 a query or mutation that took long is told how long", () => {
  expect(durationWarning(800, 1000, 5)).toBeNull();
  expect(durationWarning(1000.5, 1000, 5)).toBeNull();
  expect(durationWarning(851.2, 1000, 5)).toMatchObject({
    messages: ["Function execution took a long time. (maximum duration: 1s, actual duration: 851ms)."],
    code: "warning:UserTimeout",
  });
});
