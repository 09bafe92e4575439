import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type StartOptions, type TestBackend, startBackend } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";
import { FIXTURES } from "../../support/paths.ts";
import { eventually, Jobs } from "../../support/scheduled-jobs.ts";

/** Jobs and restarts, pushes, limits of how many run, and the end of their documents. */

let data: string;
let app: ConvexApp;
let backend: TestBackend | undefined;

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "convection-scheduler-"));
  app = new ConvexApp();
  cpSync(join(FIXTURES, "scheduler-app/convex"), join(app.path, "convex"), { recursive: true });
});
afterEach(async () => {
  await backend?.stop();
  backend = undefined;
  app[Symbol.dispose]();
  rmSync(data, { recursive: true, force: true });
});

async function start(options: StartOptions = {}): Promise<Jobs> {
  backend = await startBackend({ data, ...options });
  return new Jobs(backend.url);
}

function version(number: number): void {
  app.write({
    "convex/versions.ts": `
      import { internalMutationGeneric as internalMutation } from "convex/server";
      export const noteVersion = internalMutation(async (ctx, { run }: any) => {
        await ctx.db.insert("events", { run, tag: "version ${number}", at: Date.now(), detail: null });
      });`,
  });
}

/** A job of version 1 that is due after the push of the change: a busy machine pushes again, with more time. */
async function scheduledBefore(jobs: Jobs, change: () => void): Promise<{ readonly run: string; readonly id: string }> {
  if (backend === undefined) throw new Error("no backend");
  for (let after = 3_000; ; after *= 3) {
    const run = `push ${after}`;
    const due = Date.now() + after;
    const id = await jobs.schedule("versions:noteVersion", { run }, { at: due });
    change();
    await app.deploy(backend);
    if (Date.now() < due) return { run, id };
    version(1);
    await app.deploy(backend);
  }
}

test("P-S-9 a job that became due while the backend was stopped runs when it is up again", async () => {
  let jobs = await start({ app: app.path });
  const soon = await jobs.schedule("work:note", { run: "restart", tag: "due meanwhile" }, { after: 300 });
  const later = await jobs.schedule("work:act", { run: "restart", tag: "action" }, { after: 301 });
  await backend?.stop();
  await new Promise((resolve) => setTimeout(resolve, 400));
  jobs = await start();
  expect((await jobs.over(soon)).state).toEqual({ kind: "success" });
  expect((await jobs.over(later)).state).toEqual({ kind: "success" });
  expect((await jobs.tags("restart")).toSorted()).toEqual(["action began", "action ended", "due meanwhile"]);
});

test("P-S-9 a job that is due after a restart runs in its time", async () => {
  let jobs = await start({ app: app.path });
  const at = Date.now() + 4_000;
  const id = await jobs.schedule("work:note", { run: "restart", tag: "later" }, { at });
  await backend?.stop();
  jobs = await start();
  expect((await jobs.over(id)).state).toEqual({ kind: "success" });
  const [event] = await jobs.events("restart");
  expect(event?.at).toBeGreaterThanOrEqual(at);
});

test("P-S-9 a job runs the code that is deployed when it is due", async () => {
  version(1);
  const jobs = await start({ app: app.path });
  const { run, id } = await scheduledBefore(jobs, () => version(2));
  expect((await jobs.over(id)).state).toEqual({ kind: "success" });
  expect(await jobs.tags(run)).toEqual(["version 2"]);
});

test("P-S-9 a job whose function a push removed fails when it is due", async () => {
  version(1);
  const jobs = await start({ app: app.path });
  const { id } = await scheduledBefore(jobs, () => app.remove("convex/versions.ts"));
  expect((await jobs.over(id)).state).toEqual({
    kind: "failed",
    error: "Could not find function for 'versions:noteVersion'.",
  });
});

test("E-C-14 an action that a crash interrupts fails with the phase in which it was lost, and runs no second time", async () => {
  let jobs = await start({ app: app.path });
  const id = await jobs.schedule("work:act", { run: "crash", tag: "interrupted", ms: 60_000 });
  await jobs.eventCount("crash", 1);
  await backend?.kill();
  jobs = await start();
  expect((await jobs.over(id)).state).toEqual({
    kind: "failed",
    error:
      "Transient error while executing action: the backend stopped after the action was marked as started and before " +
      "its end was recorded. It may have run in part or in whole, and is not run again.",
  });
  await jobs.over(await jobs.schedule("work:note", { run: "crash", tag: "later" }));
  expect(await jobs.tags("crash")).toEqual(["interrupted began", "later"]);
});

test("P-S-10 P-S-12 cron jobs keep their times over restarts and pushes, and a run that a crash interrupts is not repeated", async () => {
  app.write({
    "convex/crons.ts": `
      import { cronJobs, makeFunctionReference } from "convex/server";
      const crons = cronJobs();
      const ref = (name: string) => makeFunctionReference<"mutation">(name) as any;
      crons.interval("rare", { hours: 1 }, ref("work:note"), { run: "rare", tag: "rare" });
      crons.interval("often", { seconds: 4 }, ref("work:act"), { run: "often", tag: "often", ms: 3_000 });
      export default crons;`,
  });
  let jobs = await start({ app: app.path });
  await jobs.eventCount("rare", 1);
  await jobs.eventCount("often", 1);
  // In the middle of the first run.
  await backend?.kill();
  jobs = await start();
  // The run that was lost is not repeated; the next ones come in their times.
  const events = await jobs.eventCount("often", 3);
  expect(events.slice(0, 3).map(({ tag }) => tag)).toEqual(["often began", "often began", "often ended"]);
  expect((events[1]?.at ?? 0) - (events[0]?.at ?? 0)).toBeGreaterThanOrEqual(3_900);
  version(1);
  if (backend === undefined) throw new Error("no backend");
  await app.deploy(backend);
  await jobs.eventCount("often", events.length + 2);
  // Neither the restart nor the push started its interval anew.
  expect(await jobs.tags("rare")).toEqual(["rare"]);
});

test("P-S-5 no more jobs run at once than the setting says, and the oldest come first", async () => {
  const jobs = await start({ app: app.path, env: { CONVECTION_SCHEDULED_PARALLELISM: "5" } });
  const orders = Array.from({ length: 20 }, (_, i) => ({
    name: "work:act",
    args: { run: "waves", tag: String(i), ms: 150 },
    at: Date.now() - 1_000 + i,
  }));
  const ids = await jobs.client.mutation<string[]>("jobs:scheduleMany", { orders });
  for (const id of ids) await jobs.over(id);
  const events = await jobs.events("waves");
  let running = 0;
  let most = 0;
  for (const { tag } of events) {
    running += tag.endsWith("began") ? 1 : -1;
    most = Math.max(most, running);
  }
  expect(most).toBe(5);
  const first = events.filter(({ tag }) => tag.endsWith("began")).slice(0, 5);
  expect(first.map(({ tag }) => Number.parseInt(tag, 10)).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
});

test("P-S-6 jobs that are over go when their time is over, the others stay", async () => {
  const jobs = await start({ app: app.path, env: { CONVECTION_SCHEDULED_RETENTION_MS: "5000" } });
  const done = await jobs.schedule("work:note", { run: "kept", tag: "done" });
  const over = await jobs.over(done);
  const failed = await jobs.schedule("work:throwing", { run: "kept" });
  await jobs.over(failed);
  const canceled = await jobs.schedule("work:note", { run: "kept", tag: "canceled" }, { after: 3_600_000 });
  const pending = await jobs.schedule("work:note", { run: "kept", tag: "pending" }, { after: 3_600_000 });
  await jobs.client.mutation("jobs:cancel", { id: canceled });
  await eventually(async () => ((await jobs.job(done)) === null ? true : null));
  expect(Date.now() - (over.completedTime ?? 0)).toBeGreaterThanOrEqual(5000);
  await eventually(async () => {
    const left = await jobs.client.query<readonly { _id: string }[]>("jobs:jobs");
    return left.length === 1 ? true : null;
  });
  expect((await jobs.job(pending))?.state).toEqual({ kind: "pending" });
});

test("P-S-5 an action may run longer than an idle object lives", async () => {
  const jobs = await start({ app: app.path });
  const id = await jobs.schedule("work:act", { run: "long", tag: "long", ms: 25_000 });
  expect((await jobs.over(id)).state).toEqual({ kind: "success" });
  expect(await jobs.tags("long")).toEqual(["long began", "long ended"]);
});
