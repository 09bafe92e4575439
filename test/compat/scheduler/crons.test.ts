import { afterAll, beforeAll, expect, test } from "vitest";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { ApiClient, valueOf } from "../../support/api-client.ts";
import { type TestBackend, startBackend } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";
import { FunctionLog } from "../../support/function-log.ts";
import { FIXTURES } from "../../support/paths.ts";
import { eventually, Jobs } from "../../support/scheduled-jobs.ts";

/** Cron jobs of an app whose `crons.ts` is replaced by push after push. */

let backend: TestBackend;
let app: ConvexApp;
let jobs: Jobs;
let api: ApiClient;

beforeAll(async () => {
  app = new ConvexApp();
  cpSync(join(FIXTURES, "scheduler-app/convex"), join(app.path, "convex"), { recursive: true });
  backend = await startBackend();
  jobs = new Jobs(backend.url);
  api = new ApiClient(backend);
});
afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

/** `crons.ts` with these statements. */
async function deploy(...statements: readonly string[]): Promise<string> {
  app.write({
    "convex/crons.ts": [
      `import { cronJobs, makeFunctionReference } from "convex/server";`,
      `const crons = cronJobs();`,
      `const ref = (name: string) => makeFunctionReference<"mutation">(name) as any;`,
      ...statements,
      `export default crons;`,
    ].join("\n"),
  });
  const { stdout, stderr } = await app.deploy(backend, "--verbose");
  return stdout + stderr;
}

function interval(name: string, seconds: number, target: string, args: unknown): string {
  return `crons.interval(${JSON.stringify(name)}, { seconds: ${seconds} }, ref(${JSON.stringify(target)}), ${JSON.stringify(args)});`;
}

interface Listed {
  readonly _id: string;
  readonly name: string;
  readonly cronSpec: { readonly udfPath: string; readonly cronSchedule: unknown };
  readonly lastRun: { readonly status: { readonly type: string; readonly error?: string } } | null;
  readonly nextRun: { readonly nextTs: string; readonly state: { readonly type: string } };
}

async function listed(): Promise<readonly Listed[]> {
  return (await valueOf(api.admin("_system/frontend/listCronJobs"))) as readonly Listed[];
}

async function job(name: string): Promise<Listed> {
  const found = (await listed()).find((one) => one.name === name);
  if (found === undefined) throw new Error(`no cron job ${name}`);
  return found;
}

test("P-S-10 an interval job runs when it is deployed and then every so often, with its arguments", async () => {
  const deployed = Date.now();
  await deploy(interval("tick", 1, "work:note", { run: "ticks", tag: "tick", detail: { n: 1 } }));
  const events = await jobs.eventCount("ticks", 4);
  const [first, ...later] = events;
  expect(first).toMatchObject({ tag: "tick", detail: { n: 1 } });
  expect(first?.at).toBeGreaterThanOrEqual(deployed);
  // The first is due at the push, each other one a second after the one before was; none runs before it is due.
  for (const [i, { at }] of later.entries()) expect(at).toBeGreaterThanOrEqual(deployed + (i + 1) * 1000);
  expect(await job("tick")).toMatchObject({ lastRun: { status: { type: "success" } } });
});

test("P-S-10 the function log tells that a cron job called", async () => {
  const log = await FunctionLog.open(backend);
  const mutation = await log.completion("work:note");
  expect(mutation).toMatchObject({ caller: "Cron", identityType: "system" });
});

test("P-S-13 a push says what it adds, changes and removes; what it removed never ticks again", async () => {
  await deploy(
    interval("changed", 3600, "work:note", { run: "changed", tag: "old" }),
    interval("removed", 1, "work:note", { run: "removed", tag: "removed" }),
    interval("kept", 3600, "work:note", { run: "kept", tag: "kept" }),
  );
  await Promise.all(["changed", "removed", "kept"].map((run) => jobs.eventCount(run, 1)));
  const kept = await job("kept");
  const output = await deploy(
    interval("changed", 3600, "work:note", { run: "changed", tag: "new" }),
    interval("added", 1, "work:note", { run: "added", tag: "added" }),
    interval("kept", 3600, "work:note", { run: "kept", tag: "kept" }),
  );
  expect(output.replaceAll(/[\s▌]/g, "")).toContain(
    '"cronDiff":{"added":["added"],"updated":["changed"],"deleted":["removed"]}',
  );
  const before = (await jobs.events("removed")).length;
  // Two ticks of the added one: the removed one would have had its own between them.
  await jobs.eventCount("added", 3);
  expect(await jobs.events("removed")).toHaveLength(before);
  expect((await listed()).map(({ name }) => name)).toEqual(["added", "changed", "kept"]);
  // A changed job starts anew; an unchanged one keeps its time.
  expect((await jobs.tags("changed")).toSorted()).toEqual(["new", "old"]);
  expect(await jobs.tags("kept")).toEqual(["kept"]);
  expect(await job("kept")).toEqual(kept);
});

test("P-S-11 E-C-16 a run that takes longer than the interval is never overlapped, and what it skips is logged", async () => {
  const log = await FunctionLog.open(backend);
  await deploy(interval("slow", 1, "work:act", { run: "slow", tag: "slow", ms: 2_300 }));
  const events = await jobs.eventCount("slow", 4);
  expect(events.slice(0, 4).map(({ tag }) => tag)).toEqual(["slow began", "slow ended", "slow began", "slow ended"]);
  const text = /Skipping \d+ run\(s\) of job slow because multiple scheduled runs are in the past/;
  const entries = await log.until((entry) => text.test(JSON.stringify(entry)));
  expect(entries.find((entry) => text.test(JSON.stringify(entry)))).toMatchObject({ identifier: "work:act" });
});

test("P-S-12 a run that throws is logged and not repeated; the next one comes in its time", async () => {
  const log = await FunctionLog.open(backend);
  const deployed = Date.now();
  await deploy(interval("failing", 1, "work:throwingAction", { run: "failing" }));
  const events = await jobs.eventCount("failing", 3);
  // A repetition would come at once: the third run is due two seconds after the push.
  expect(events[2]?.at).toBeGreaterThanOrEqual(deployed + 2000);
  expect(await log.completion("work:throwingAction")).toMatchObject({
    caller: "Cron",
    error: expect.stringContaining("no luck either"),
  });
  const failed = await eventually(async () => {
    const { lastRun } = await job("failing");
    return lastRun?.status.type === "err" ? lastRun : null;
  });
  expect(failed.status.error).toContain("no luck either");
});

test("P-S-12 a mutation that throws leaves nothing, and the next run comes in its time", async () => {
  await deploy(interval("failing mutation", 1, "work:throwing", { run: "failing mutation" }));
  const runs = async () => {
    const { _id: cronId } = await job("failing mutation");
    return (await valueOf(api.admin("_system/frontend/listCronJobRuns", { cronId }))) as readonly unknown[];
  };
  const failed = await eventually(async () => {
    const found = await runs();
    return found.length >= 2 ? found : null;
  });
  expect(failed[0]).toMatchObject({ status: { type: "err", error: expect.stringContaining("no luck") } });
  expect(await jobs.events("failing mutation")).toEqual([]);
});

test("P-S-10 every form of schedule has its next time", async () => {
  await deploy(
    `crons.hourly("hourly", { minuteUTC: 17 }, ref("work:note"), { run: "forms", tag: "hourly" });`,
    `crons.hourly("hourly, some minute", {}, ref("work:note"), { run: "forms", tag: "spread" });`,
    `crons.daily("daily", { hourUTC: 3, minuteUTC: 30 }, ref("work:note"), { run: "forms", tag: "daily" });`,
    `crons.weekly("weekly", { dayOfWeek: "monday", hourUTC: 3, minuteUTC: 30 }, ref("work:note"), { run: "forms", tag: "weekly" });`,
    `crons.monthly("monthly", { day: 1, hourUTC: 16, minuteUTC: 0 }, ref("work:note"), { run: "forms", tag: "monthly" });`,
    `crons.cron("cron", "*/5 3 * * 1-5", ref("work:note"), { run: "forms", tag: "cron" });`,
  );
  await eventually(async () => ((await listed()).length === 6 ? true : null));
  const times = new Map(
    (await listed()).map(({ name, nextRun }) => [name, new Date(Number(BigInt(nextRun.nextTs) / 1_000_000n))]),
  );
  const now = Date.now();
  for (const time of times.values()) expect(time.getTime()).toBeGreaterThan(now);
  const at = (name: string): Date => times.get(name) ?? new Date(Number.NaN);
  expect(at("hourly").toISOString()).toMatch(/:17:00\.000Z$/);
  expect(at("hourly").getTime() - now).toBeLessThanOrEqual(3_600_000);
  expect(at("daily").toISOString()).toMatch(/T03:30:00\.000Z$/);
  expect(at("weekly").toISOString()).toMatch(/T03:30:00\.000Z$/);
  expect(at("weekly").getUTCDay()).toBe(1);
  expect(at("monthly").toISOString()).toMatch(/-01T16:00:00\.000Z$/);
  expect(at("cron").toISOString()).toMatch(/T03:[0-5][05]:00\.000Z$/);
  expect([0, 6]).not.toContain(at("cron").getUTCDay());
  // Chosen by the backend, and the same after another push.
  const minute = at("hourly, some minute").getUTCMinutes();
  await deploy(`crons.hourly("hourly, some minute", {}, ref("work:note"), { run: "forms", tag: "again" });`);
  await eventually(async () => ((await listed()).length === 1 ? true : null));
  const again = await job("hourly, some minute");
  expect(new Date(Number(BigInt(again.nextRun.nextTs) / 1_000_000n)).getUTCMinutes()).toBe(minute);
  expect(await jobs.events("forms")).toEqual([]);
});

test("P-S-10 an interval is told in seconds, whatever its unit, a schedule of another form as it was written", async () => {
  await deploy(
    `crons.interval("hours", { hours: 2 }, ref("work:note"), { run: "units", tag: "hours" });`,
    `crons.interval("minutes", { minutes: 1 }, ref("work:note"), { run: "units", tag: "minutes" });`,
    `crons.cron("cron", "*/5 3 * * 1-5", ref("work:note"), { run: "units", tag: "cron" });`,
    interval("seconds", 3600, "work:note", { run: "units", tag: "seconds" }),
  );
  const schedules = (await listed()).map(({ name, cronSpec }) => [name, cronSpec.cronSchedule]);
  expect(Object.fromEntries(schedules)).toEqual({
    hours: { type: "interval", seconds: "7200" },
    minutes: { type: "interval", seconds: "60" },
    cron: { type: "cron", cronExpr: "*/5 3 * * 1-5" },
    seconds: { type: "interval", seconds: "3600" },
  });
  // As the list of functions names it.
  const spec = (await valueOf(api.admin("_system/cli/modules:apiSpec"))) as readonly { readonly identifier?: string }[];
  expect(spec.map(({ identifier }) => identifier)).toContain("work.js:note");
  expect((await job("cron")).cronSpec.udfPath).toBe("work.js:note");
});

test("E-B-17 a time that never comes is refused when it is pushed, and nothing changes", async () => {
  const before = await listed();
  app.write({
    "convex/crons.ts": [
      `import { cronJobs, makeFunctionReference } from "convex/server";`,
      `const crons = cronJobs();`,
      `crons.cron("never", "0 0 30 2 *", makeFunctionReference<"mutation">("work:note") as any, { run: "never", tag: "never" });`,
      `export default crons;`,
    ].join("\n"),
  });
  expect(await app.failedDeploy(backend)).toContain('The cron spec "0 0 30 2 *" will never match any time');
  expect(await listed()).toEqual(before);
});
