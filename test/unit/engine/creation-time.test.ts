import { expect, test } from "vitest";
import { CreationTimes, StartTimes } from "../../../src/engine/creation-time.ts";

test("TIME1 documents of later transactions have later creation times, within one millisecond of the clock too", () => {
  const starts = new StartTimes();
  const now = 1_800_000_000_000;
  const times = Array.from({ length: 100 }, () => new CreationTimes(starts.next(now))).flatMap((transaction) =>
    Array.from({ length: 32 }, () => transaction.next()),
  );
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(new Set(times).size).toBe(times.length);
  expect(times[0]).toBe(now);
  expect(times.at(-1)).toBeLessThan(now + 1);
});

test("TIME1 start times follow the clock, and do not follow it back", () => {
  const starts = new StartTimes();
  expect(starts.next(1000)).toBe(1000);
  expect(starts.next(2000)).toBe(2000);
  expect(starts.next(1500)).toBeGreaterThan(2000);
  expect(starts.next(1500)).toBeLessThan(2001);
});
