import { expect, test } from "vitest";
import { logBackgroundFailure } from "../../../src/shared/background-failure.ts";
import { CodedError } from "../../../src/shared/coded-error.ts";
import type { Log } from "../../../src/shared/log.ts";

function recording(): { log: Log; lines: unknown[] } {
  const lines: unknown[] = [];
  return {
    lines,
    log: {
      info: (event, fields) => lines.push(["info", event, fields]),
      warn: (event, fields) => lines.push(["warn", event, fields]),
      error: (event, error, fields) => lines.push(["error", event, error, fields]),
    },
  };
}

test("a retryable failure is a warning that names its cause", () => {
  const { log, lines } = recording();
  const cause = new Error("D1 is overloaded");
  logBackgroundFailure(log, "sweep", new CodedError("Overloaded", "DatabaseUnavailable", "Try again.", { cause }), {
    key: "a",
  });
  expect(lines).toEqual([
    [
      "warn",
      "sweep",
      { key: "a", code: "DatabaseUnavailable", reason: "Try again.", cause: "Error: D1 is overloaded" },
    ],
  ]);
});

test("any other failure is an error, whole", () => {
  const { log, lines } = recording();
  const mistake = new CodedError("BadRequest", "Wrong", "Wrong.");
  const broken = new TypeError("broken");
  logBackgroundFailure(log, "sweep", mistake);
  logBackgroundFailure(log, "sweep", broken);
  expect(lines).toEqual([
    ["error", "sweep", mistake, {}],
    ["error", "sweep", broken, {}],
  ]);
});
