import { describe, expect, test } from "vitest";
import { checkTimetable, timetable } from "../../../src/runtime/scheduling/cron-schedule.ts";
import type { CronSchedule } from "../../../src/runtime/scheduling/cron-spec.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

const iso = (text: string): number => Date.parse(text);
const text = (ms: number): string => new Date(ms).toISOString();

function firsts(schedule: CronSchedule, from: string, count: number): string[] {
  const table = timetable(schedule, "");
  const times = [table.first(iso(from))];
  while (times.length < count) {
    const last = times.at(-1) ?? 0;
    times.push(table.next(last, last).slot);
  }
  return times.map(text);
}

describe("times of a schedule, in UTC", () => {
  test.each<[CronSchedule, string, string[]]>([
    [
      { type: "hourly", minuteUTC: 17 },
      "2026-03-01T10:17:00Z",
      ["2026-03-01T11:17:00.000Z", "2026-03-01T12:17:00.000Z"],
    ],
    [
      { type: "daily", hourUTC: 3, minuteUTC: 30 },
      "2026-02-28T03:29:59.999Z",
      ["2026-02-28T03:30:00.000Z", "2026-03-01T03:30:00.000Z"],
    ],
    [
      { type: "weekly", dayOfWeek: "sunday", hourUTC: 0, minuteUTC: 0 },
      "2026-01-01T00:00:00Z",
      ["2026-01-04T00:00:00.000Z", "2026-01-11T00:00:00.000Z"],
    ],
    [
      { type: "monthly", day: 31, hourUTC: 12, minuteUTC: 0 },
      "2026-01-31T12:00:00Z",
      ["2026-03-31T12:00:00.000Z", "2026-05-31T12:00:00.000Z"],
    ],
    [
      { type: "cron", cron: "0 0 29 2 *" },
      "2026-01-01T00:00:00Z",
      ["2028-02-29T00:00:00.000Z", "2032-02-29T00:00:00.000Z"],
    ],
    [
      // As in unix: Sunday is 0.
      { type: "cron", cron: "30 9 * * 1-5" },
      "2026-01-02T10:00:00Z",
      ["2026-01-05T09:30:00.000Z", "2026-01-06T09:30:00.000Z"],
    ],
    [
      // As in unix: either day will do.
      { type: "cron", cron: "0 0 13 * 5" },
      "2026-01-08T00:00:00Z",
      ["2026-01-09T00:00:00.000Z", "2026-01-13T00:00:00.000Z"],
    ],
    [
      { type: "interval", minutes: 90 },
      "2026-01-01T00:00:00Z",
      ["2026-01-01T00:00:00.000Z", "2026-01-01T01:30:00.000Z"],
    ],
  ])("P-S-10 %j after %s", (schedule, from, expected) => {
    expect(firsts(schedule, from, expected.length)).toEqual(expected);
  });
});

test("P-S-11 what lies between a run and now is skipped and counted, and the rhythm is kept", () => {
  const slot = iso("2026-01-01T00:00:00Z");
  const ten = timetable({ type: "interval", seconds: 10 }, "");
  expect(ten.next(slot, slot + 9_999)).toEqual({ slot: slot + 10_000, skipped: 0 });
  expect(ten.next(slot, slot + 10_000)).toEqual({ slot: slot + 20_000, skipped: 1 });
  expect(ten.next(slot, slot + 35_000)).toEqual({ slot: slot + 40_000, skipped: 3 });
  const hourly = timetable({ type: "hourly", minuteUTC: 0 }, "");
  expect(hourly.next(slot, slot + 3_599_999)).toEqual({ slot: slot + 3_600_000, skipped: 0 });
  expect(hourly.next(slot, slot + 2.5 * 3_600_000)).toEqual({ slot: slot + 3 * 3_600_000, skipped: 2 });
});

test("P-S-11 a clock that goes back makes no run come twice", () => {
  const slot = iso("2026-01-01T00:00:00Z");
  for (const schedule of [{ type: "interval", seconds: 10 } as const, { type: "cron", cron: "* * * * *" } as const]) {
    expect(timetable(schedule, "").next(slot, slot - 5_000).slot).toBeGreaterThan(slot);
  }
});

test("P-S-11 a stand-still of years is got over at once", () => {
  const slot = iso("2020-01-01T00:00:00Z");
  const now = iso("2026-01-01T00:00:30Z");
  const { slot: next, skipped } = timetable({ type: "cron", cron: "* * * * *" }, "").next(slot, now);
  expect(text(next)).toBe("2026-01-01T00:01:00.000Z");
  expect(skipped).toBeCloseTo((now - slot) / 60_000, -4);
});

test("P-S-10 the minute that is left out is the same for one job, and spread over jobs", () => {
  const minute = (key: string) => new Date(timetable({ type: "hourly" }, key).first(0)).getUTCMinutes();
  const minutes = Array.from({ length: 600 }, (_, i) => minute(`job ${i}`));
  expect(minutes).toEqual(Array.from({ length: 600 }, (_, i) => minute(`job ${i}`)));
  expect(new Set(minutes).size).toBeGreaterThan(50);
});

test("P-S-10 the next time is after now and after the last one, whatever the pattern (seeded)", () => {
  const seed = freshSeed();
  const random = new SeededRandom(seed);
  for (let i = 0; i < 500; i++) {
    const cron = `${random.below(60)} ${random.pick(["*", "*/3", String(random.below(24))])} ${random.pick(["*", "1", "28"])} * ${random.pick(["*", "0", "6"])}`;
    const slot = iso("2026-01-01T00:00:00Z") + random.below(365 * 86_400) * 1000;
    const now = slot + random.below(86_400_000);
    const table = timetable({ type: "cron", cron }, "");
    const next = table.next(table.first(slot), now);
    expect({ seed, cron, ok: next.slot > now && next.slot % 60_000 === 0 }).toEqual({ seed, cron, ok: true });
  }
});

test.each([
  ["0 0 30 2 *", 'The cron spec "0 0 30 2 *" will never match any time'],
  ["0 0 * *", 'The cron spec "0 0 * *" can\'t be read: '],
  ["0 0 * * * *", 'The cron spec "0 0 * * * *" can\'t be read: '],
  ["61 * * * *", 'The cron spec "61 * * * *" can\'t be read: '],
  ["@hourly", 'The cron spec "@hourly" can\'t be read: '],
])("E-B-17 %s is refused", (cron, message) => {
  expect(() => checkTimetable({ type: "cron", cron })).toThrow(message);
});
