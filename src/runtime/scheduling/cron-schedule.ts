import { Cron } from "croner";
import { badRequest } from "../../shared/coded-error.ts";
import type { JsonValue } from "../../shared/json.ts";
import type { CronSchedule } from "./cron-spec.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/** When a cron job runs (`abi.md` §4.2). Pure; all times are milliseconds, all clocks UTC. */
export interface Timetable {
  /** The first run of a job that is deployed at `now`. */
  first(now: number): number;
  /** The run that follows the one of `slot`, after `now`, and how many of those in between are skipped. */
  next(slot: number, now: number): { readonly slot: number; readonly skipped: number };
}

/** At most so many skipped runs are counted one by one; beyond, their number is estimated. */
const COUNTED = 10_000;

/**
 * `key` names the job in its deployment. Where `minuteUTC` is left out, it chooses the minute: always the same one for
 * a job, another one for most other jobs.
 */
export function timetable(schedule: CronSchedule, key: string): Timetable {
  const interval = intervalOf(schedule);
  return interval === null ? patternTimetable(patternOf(schedule, key)) : intervalTimetable(interval);
}

/** Refuses what can't be scheduled (E-B-17). */
export function checkTimetable(schedule: CronSchedule): void {
  if (intervalOf(schedule) === null) patternTimetable(patternOf(schedule, "")).first(0);
}

function intervalTimetable(interval: number): Timetable {
  return {
    first: (now) => now,
    next(slot, now) {
      const steps = Math.max(1, Math.floor((now - slot) / interval) + 1);
      return { slot: slot + steps * interval, skipped: steps - 1 };
    },
  };
}

function patternTimetable(pattern: string): Timetable {
  const cron = parsed(pattern);
  const after = (time: number): number => {
    const next = cron.nextRun(new Date(time));
    if (next === null) throw neverMatches(pattern);
    return next.getTime();
  };
  return {
    first: after,
    next(slot, now) {
      let skipped = 0;
      let next = after(slot);
      while (next <= now && skipped < COUNTED) {
        skipped += 1;
        next = after(next);
      }
      if (next > now) return { slot: next, skipped };
      const ratio = (now - slot) / (next - slot);
      return { slot: after(now), skipped: Math.round(skipped * ratio) };
    },
  };
}

function parsed(pattern: string): Cron {
  try {
    // The library knows names for some patterns too.
    if (pattern.trim().split(/\s+/).length !== 5) throw new Error("it must have 5 fields");
    return new Cron(pattern, { mode: "5-part", utcOffset: 0 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw badRequest("InvalidCron", `The cron spec "${pattern}" can't be read: ${reason}`);
  }
}

function neverMatches(pattern: string) {
  return badRequest("InvalidCron", `The cron spec "${pattern}" will never match any time`);
}

function intervalOf(schedule: CronSchedule): number | null {
  if (schedule.type !== "interval") return null;
  const { seconds, minutes, hours } = schedule;
  const length = part(seconds) * SECOND + part(minutes) * MINUTE + part(hours) * HOUR;
  if (length <= 0) throw badRequest("InvalidCron", "Interval must be an integer greater than 0");
  return length;
}

function patternOf(schedule: CronSchedule, key: string): string {
  const minute = schedule["minuteUTC"] === undefined ? spread(key) : part(schedule["minuteUTC"]);
  const hour = part(schedule["hourUTC"]);
  switch (schedule.type) {
    case "hourly":
      return `${minute} * * * *`;
    case "daily":
      return `${minute} ${hour} * * *`;
    case "weekly":
      return `${minute} ${hour} * * ${DAYS.indexOf(text(schedule["dayOfWeek"]))}`;
    case "monthly":
      return `${minute} ${hour} ${part(schedule["day"])} * *`;
    case "cron":
      return text(schedule["cron"]);
    default:
      throw badRequest("InvalidCron", `Unknown type of cron schedule: ${schedule.type}`);
  }
}

function part(value: JsonValue | undefined): number {
  return typeof value === "number" ? value : 0;
}

function text(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

/** A minute, the same whenever it is asked for (FNV-1a). */
function spread(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % 60;
}
