import { expect, test } from "vitest";
import { startFailure } from "../../../src/runtime/code/start-failure.ts";

test("EXE4 what V8 says about code that does not compile becomes an error of its module", () => {
  const text =
    "Failed to start Worker:\nUncaught SyntaxError: Invalid regular expression: /(/: Unterminated group\n  at app/bad.js:11:8";
  expect(startFailure(new Error(text))).toEqual({
    module: "app/bad.js",
    error: {
      name: "SyntaxError",
      message: "Invalid regular expression: /(/: Unterminated group",
      stack: "SyntaxError: Invalid regular expression: /(/: Unterminated group\n  at app/bad.js:11:8",
    },
  });
});

test("EXE4 a failure that names no place is still one of the code", () => {
  expect(startFailure(new Error("Failed to start Worker:\nUncaught Error: odd\nsecond line"))).toEqual({
    module: null,
    error: { name: "Error", message: "odd\nsecond line", stack: "Error: odd\nsecond line" },
  });
});

test("EXE4 every other error stays what it is", () => {
  expect(startFailure(new Error("Network connection lost."))).toBeNull();
  expect(startFailure("Failed to start Worker:\nUncaught Error: x")).toBeNull();
});
