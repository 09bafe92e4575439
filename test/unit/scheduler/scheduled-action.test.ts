import { expect, test } from "vitest";
import type { FunctionCall, FunctionOutcome } from "../../../src/protocol/execution.ts";
import { runScheduledAction } from "../../../src/scheduler/scheduled-action.ts";
import type { JsonValue } from "../../../src/shared/json.ts";

const CALL: FunctionCall = {
  path: { component: "", module: "work.js", function: "act" },
  args: "[{}]",
  identity: { kind: "system" },
  context: { requestId: "0", ip: null, userAgent: null, scheduledFunctionId: "job", caller: "Scheduler" },
  visibility: "internal",
};

/** How often the action ran and with what its end was recorded, when recording fails so many times. */
async function ran(outcome: FunctionOutcome | Error, failures: number) {
  let runs = 0;
  const recorded: JsonValue[] = [];
  const waits: number[] = [];
  const end = await runScheduledAction(
    { v: 1, key: "the key", call: CALL },
    {
      runAction: async () => {
        runs += 1;
        if (outcome instanceof Error) throw outcome;
        return outcome;
      },
      runSystem: async ({ args }) => {
        recorded.push(args);
        if (recorded.length <= failures) throw new Error("the database is away");
        return { error: null, warning: null };
      },
      log: () => {},
      sleep: async (ms) => void waits.push(ms),
      clock: { now: () => 0 },
    },
  ).then(
    () => "recorded",
    () => "lost",
  );
  return { runs, recorded, waits, end };
}

test("SCH15 P-S-5 an action runs once, and its end is recorded for as long as that takes", async () => {
  for (const failures of [0, 1, 4]) {
    const { runs, recorded, waits, end } = await ran({ ok: true, value: "null", logLines: [] }, failures);
    expect([runs, end, recorded.length, waits.length]).toEqual([1, "recorded", failures + 1, failures]);
    expect(new Set(recorded.map((args) => JSON.stringify(args)))).toEqual(new Set(['{"key":"the key","error":null}']));
  }
});

test("SCH15 an end that can't be recorded leaves the action to be found lost, never to be run again", async () => {
  const { runs, end } = await ran({ ok: true, value: "null", logLines: [] }, 1000);
  expect([runs, end]).toEqual([1, "lost"]);
});

test("SCH15 E-C-14 what the backend failed at is the end of the action, without a word of ours", async () => {
  const { runs, recorded } = await ran(new TypeError("secret detail"), 0);
  expect(runs).toBe(1);
  expect(JSON.stringify(recorded)).toContain("Transient error while executing action: ");
  expect(JSON.stringify(recorded)).not.toContain("secret");
});
