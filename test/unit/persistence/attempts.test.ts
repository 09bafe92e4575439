import { describe, expect, test } from "vitest";
import { attempt } from "../../../src/persistence/d1/attempts.ts";
import { CodedError } from "../../../src/shared/coded-error.ts";
import { ManualTimers } from "../../support/manual-timers.ts";

const UNAVAILABLE = {
  errorClass: "Overloaded",
  code: "DatabaseUnavailable",
  retryable: true,
  message: "Your request couldn't be completed. Try again later.",
};

const NEVER = Symbol("never");

function setup(...outcomes: (string | Error | typeof NEVER)[]) {
  const timers = new ManualTimers();
  let calls = 0;
  const result = attempt({ timers, timeoutMs: 1_000, backoffMs: [10, 40] }, () => {
    const outcome = outcomes[calls++];
    if (outcome === NEVER) return new Promise<string>(() => undefined);
    return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome ?? "unexpected call");
  });
  // The tests look at the outcome later than it happens.
  result.catch(() => undefined);
  return { timers, result, calls: () => calls };
}

const LOST = new Error("D1_ERROR: Network connection lost.");

describe("attempts", () => {
  test("ATT1 a transient failure is tried again after each back-off", async () => {
    const { timers, result, calls } = setup(LOST, LOST, "rows");
    await timers.whenPending(10);
    expect([calls(), timers.pending]).toEqual([1, [10]]);
    timers.advance(10);
    await timers.whenPending(40);
    expect([calls(), timers.pending]).toEqual([2, [40]]);
    timers.advance(40);
    await expect(result).resolves.toBe("rows");
    expect(timers.pending).toEqual([]);
  });

  test("ATT2 after the last attempt the caller is told to try again later, with the cause", async () => {
    const { timers, result, calls } = setup(LOST, LOST, LOST, "too late");
    for (const wait of [10, 40]) {
      await timers.whenPending(wait);
      timers.advance(wait);
    }
    await expect(result).rejects.toMatchObject({ ...UNAVAILABLE, cause: LOST });
    await expect(result).rejects.toBeInstanceOf(CodedError);
    expect(calls()).toBe(3);
  });

  test("ATT3 a call that takes too long is given up at once, and not repeated", async () => {
    const { timers, result, calls } = setup(NEVER, "again");
    expect(timers.pending).toEqual([1_000]);
    timers.advance(1_000);
    await expect(result).rejects.toMatchObject(UNAVAILABLE);
    expect(calls()).toBe(1);
  });

  test.each([
    "D1_ERROR: D1 DB is overloaded. Requests queued for too long.",
    "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
    "D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.",
    "D1_ERROR: D1 DB's isolate exceeded its memory limit and was reset.",
    "D1_ERROR: D1 DB exceeded its CPU time limit and was reset.",
  ])("ATT4 what asks for less work is not tried again: %s", async (message) => {
    const { result, calls } = setup(new Error(message), "again");
    await expect(result).rejects.toMatchObject(UNAVAILABLE);
    expect(calls()).toBe(1);
  });

  test.each([
    new Error('D1_ERROR: near "FROM": syntax error: SQLITE_ERROR'),
    new Error("D1_ERROR: string or blob too big: SQLITE_TOOBIG"),
    new Error("D1_TYPE_ERROR: Type 'undefined' not supported for value 'undefined'"),
    new TypeError("x is not a function"),
  ])("ATT5 a bug of ours reaches the caller unchanged: %s", async (error) => {
    const { result, calls } = setup(error, "again");
    await expect(result).rejects.toBe(error);
    expect(calls()).toBe(1);
  });

  test.each([
    "D1_ERROR: no such table: documents: SQLITE_ERROR",
    "D1_ERROR: no such column: head.writer: SQLITE_ERROR",
  ])("ATT6 before the migrations the caller is told to apply them: %s", async (message) => {
    const cause = new Error(message);
    const { result, calls } = setup(cause, "again");
    await expect(result).rejects.toMatchObject({
      errorClass: "Overloaded",
      code: "DatabaseNotMigrated",
      retryable: true,
      cause,
    });
    expect(calls()).toBe(1);
  });
});
