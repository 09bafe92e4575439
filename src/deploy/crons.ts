import { checkTimetable } from "../runtime/scheduling/cron-schedule.ts";
import { type CronSpec, parseCronSpecs } from "../runtime/scheduling/cron-spec.ts";
import type { AnalyzedModule } from "../protocol/invocation.ts";
import { badRequest } from "../shared/coded-error.ts";
import { canonicalModulePath } from "./module-path.ts";
import { invalidModules } from "./push-error.ts";

const MAX_ARGS_BYTES = 1024 * 1024;

/** Jobs of a `crons.js` by identifier; empty when there is none. */
export function parseCrons(module: AnalyzedModule | undefined): ReadonlyMap<string, CronSpec> {
  if (module?.crons === undefined || module.crons === null) return new Map();
  const parsed = parseCronSpecs(module.crons);
  if (parsed === null) throw invalidModules("The default export of `convex/crons.js` is not a Crons object.");
  return parsed;
}

/** Checks every job of one component against the functions of that component (E-B-17). */
export function checkCrons(modules: ReadonlyMap<string, AnalyzedModule>): void {
  for (const [id, spec] of parseCrons(modules.get("crons.js"))) {
    checkSchedule(spec.schedule);
    const bytes = new TextEncoder().encode(JSON.stringify(spec.args)).length;
    if (bytes >= MAX_ARGS_BYTES) {
      throw invalidCron(`Cron job args too large (${bytes} > maximum size ${MAX_ARGS_BYTES})`);
    }
    checkTarget(id, spec.name, modules);
  }
}

function checkTarget(id: string, name: string, modules: ReadonlyMap<string, AnalyzedModule>): void {
  const colon = name.lastIndexOf(":");
  const path = canonicalModulePath(colon === -1 ? name : name.slice(0, colon));
  const functionName = colon === -1 ? "default" : name.slice(colon + 1);
  const target = modules.get(path)?.functions.find((candidate) => candidate.name === functionName);
  if (target === undefined) {
    throw invalidCron(`The cron job '${id}' schedules a function that does not exist: ${name}`);
  }
  if (target.kind === "Query") {
    throw invalidCron(
      `The cron job '${id}' schedules a query function, only actions and mutations can be scheduled: ${name}`,
    );
  }
}

function checkSchedule(schedule: CronSpec["schedule"]): void {
  const json = JSON.stringify(schedule);
  const within = (key: string, low: number, high: number): boolean => {
    const value = schedule[key];
    return (
      value === undefined || (typeof value === "number" && Number.isInteger(value) && value >= low && value <= high)
    );
  };
  if (!within("minuteUTC", 0, 59)) throw invalidCron(`minuteUTC must be 0-59 in ${json}`);
  if (!within("hourUTC", 0, 23)) throw invalidCron(`hourUTC must be 0-23 in ${json}`);
  if (!within("day", 1, 31)) throw invalidCron(`day of month must be 1-31 in ${json}`);
  if (schedule.type === "interval") {
    const given = ["seconds", "minutes", "hours"].filter((unit) => schedule[unit] !== undefined);
    if (given.length !== 1) throw invalidCron("Exactly one of (seconds, minutes, hours) should be specified");
  }
  checkTimetable(schedule);
}

function invalidCron(message: string) {
  return badRequest("InvalidCron", message);
}
