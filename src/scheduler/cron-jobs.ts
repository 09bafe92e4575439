import type { App } from "../runtime/code/app.ts";
import { timetable } from "../runtime/scheduling/cron-schedule.ts";
import { type CronSpec, parseCronSpecs } from "../runtime/scheduling/cron-spec.ts";
import type { Finished, JobResult, JobTable } from "../runtime/scheduling/job-table.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { parseFunctionPath } from "../values/function-path.ts";

/** Runs that a job's document remembers. */
const RUNS_KEPT = 5;

/**
 * Document of a job in `_cron_jobs`, one per job of `crons.ts` and component:
 * `{name, spec, nextRun, state: pending | inProgress, runs}`. `nextRun` is due, or, while the job runs, the time of
 * that run. `runs`: the last ones, newest first.
 *
 *     pending ─ due ─► inProgress (actions) ─► pending, at the next time after now; those in between are skipped
 */
export function newCronJob(component: string, name: string, spec: CronSpec, now: number): JsonObject {
  return {
    name,
    spec: { ...spec },
    nextRun: timetable(spec.schedule, cronKey(component, name)).first(now),
    component,
    state: { kind: "pending" },
    runs: [],
  };
}

/** The document under another spec. A run that has begun ends as it is, and is followed by one of the new spec. */
export function changedCronJob(job: JsonObject, spec: CronSpec, now: number): JsonObject {
  if (isRunning(job)) return { ...job, spec: { ...spec } };
  return { ...job, ...newCronJob(textOf(job, "component"), cronName(job), spec, now), runs: job["runs"] ?? [] };
}

export function isSameSpec(job: JsonObject, spec: CronSpec): boolean {
  return canonical(job["spec"] ?? null) === canonical({ ...spec });
}

const NO_CRONS: ReadonlyMap<string, CronSpec> = new Map();

/** By analysed module, which lives as long as its app does. */
const parsed = new WeakMap<object, ReadonlyMap<string, CronSpec>>();

/** Jobs of one component as the app declares them. */
export function declaredCrons(app: App | null, component: string): ReadonlyMap<string, CronSpec> {
  const module = app?.component(component)?.modules["crons.js"];
  if (module === undefined || module.crons === null) return NO_CRONS;
  let crons = parsed.get(module);
  if (crons === undefined) parsed.set(module, (crons = parseCronSpecs(module.crons) ?? NO_CRONS));
  return crons;
}

export const cronJobRules: JobTable = {
  step(job, { component }, app, now) {
    const spec = declaredCrons(app, component).get(cronName(job));
    if (isRunning(job)) return { kind: "started", run: runOf(specOf(job), component) };
    if (spec === undefined) return { kind: "change", document: null };
    if (!isSameSpec(job, spec)) return { kind: "change", document: changedCronJob(job, spec, now) };
    return { kind: "run", run: runOf(spec, component) };
  },

  started(job, now) {
    return { ...job, state: { kind: "inProgress", startedTime: now } };
  },

  finished: finishedCronJob,

  missed(job, now) {
    const schedule = timetable(specOf(job).schedule, cronKey(textOf(job, "component"), cronName(job)));
    return { ...job, nextRun: schedule.next(Number(job["nextRun"]), now).slot };
  },
};

function finishedCronJob(job: JsonObject, result: JobResult, now: number): Finished {
  const { nextRun, runs } = job;
  const name = cronName(job);
  const slot = Number(nextRun);
  const schedule = specOf(job).schedule;
  const next = timetable(schedule, cronKey(textOf(job, "component"), name)).next(slot, now);
  const run: JsonObject = {
    scheduledTime: slot,
    completedTime: now,
    state: result.ok ? { kind: "success" } : { kind: "failed", error: result.error },
    ...(next.skipped === 0 ? {} : { skipped: next.skipped }),
  };
  const document: JsonObject = {
    ...job,
    nextRun: next.slot,
    state: { kind: "pending" },
    runs: [run, ...(Array.isArray(runs) ? runs : [])].slice(0, RUNS_KEPT),
  };
  if (next.skipped === 0) return { document };
  const warning = `Skipping ${next.skipped} run(s) of job ${name} because multiple scheduled runs are in the past`;
  return { document, warning };
}

function runOf(spec: CronSpec, component: string) {
  return {
    path: { component, ...parseFunctionPath(spec.name) },
    args: JSON.stringify(spec.args),
    context: { ip: null, userAgent: null, caller: "Cron", scheduledFunctionId: null },
  } as const;
}

function specOf({ spec }: JsonObject): CronSpec {
  if (spec === undefined || !isJsonObject(spec)) throw new Error("a cron job has its spec");
  // Written by `newCronJob` and `changedCronJob`.
  return spec as unknown as CronSpec;
}

function isRunning({ state }: JsonObject): boolean {
  return state !== undefined && isJsonObject(state) && state["kind"] === "inProgress";
}

export function cronName(job: JsonObject): string {
  return textOf(job, "name");
}

function textOf(job: JsonObject, field: string): string {
  const value = job[field];
  if (typeof value !== "string") throw new Error(`a cron job has a ${field}`);
  return value;
}

function cronKey(component: string, name: string): string {
  return `${component}\u0000${name}`;
}

/** With sorted keys, as documents are stored. */
function canonical(value: JsonValue): string {
  return JSON.stringify(value, (_, part: JsonValue) =>
    isJsonObject(part) ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1))) : part,
  );
}
