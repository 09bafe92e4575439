import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";
import { FunctionLog } from "../../support/function-log.ts";
import { listeningPid } from "../../support/listening-pid.ts";
import { FIXTURES } from "../../support/paths.ts";
import { eventually } from "../../support/scheduled-jobs.ts";
import { Api, type Json, newGroup } from "../runtime/api.ts";

/** Actions in Node that the Scheduler runs. */

const app = new ConvexApp();
const data = join(app.path, "data");
let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  cpSync(join(FIXTURES, "node-proof-app/convex"), join(app.path, "convex"), { recursive: true });
  await start({ app: app.path });
});
afterAll(async () => {
  await backend?.stop();
  app[Symbol.dispose]();
});

async function start(options: { app?: string; env?: Record<string, string> } = {}): Promise<void> {
  backend = await startBackend({ data, ...options });
  api = new Api(backend);
}

async function schedule(name: string, ...args: readonly Record<string, string | number>[]): Promise<string[]> {
  return await api.value("mutation", "data:schedule", { name, args: [...args], after: 0 });
}

const job = (id: string): Promise<Json> => api.value("query", "data:job", { id });
const tags = (run: string): Promise<string[]> => api.value("query", "data:tags", { run });

function over(id: string): Promise<Json> {
  return eventually(async () => {
    const found = await job(id);
    return ["pending", "inProgress"].includes(found.state.kind) ? null : found;
  });
}

test("P-S-5 P-S-6 P-F-19 a job in Node goes through its states, once, and knows which job it is", async () => {
  const run = newGroup();
  const log = await FunctionLog.open(backend);
  const [id = ""] = await schedule("node:knowsItsJob", { run });
  expect(await over(id)).toMatchObject({ name: "node.js:knowsItsJob", state: { kind: "success" } });
  expect(await tags(run)).toEqual([id]);
  expect(await log.completion("node:knowsItsJob")).toMatchObject({ caller: "Scheduler", environment: "node" });
  const [slow = ""] = await schedule("node:beginsAndSleeps", { run, tag: "slow", ms: 300 });
  await eventually(async () => ((await job(slow)).state.kind === "inProgress" ? true : null));
  expect((await over(slow)).state).toEqual({ kind: "success" });
});

test("P-S-5 P-S-6 a job in Node that exits or throws fails with its error, and is not run again", async () => {
  const [exits = "", rejects = ""] = [...(await schedule("node:exits", {})), ...(await schedule("node:rejects", {}))];
  expect((await over(exits)).state).toMatchObject({
    kind: "failed",
    error: expect.stringContaining("process.exit() called with exit code 1"),
  });
  expect((await over(rejects)).state).toMatchObject({ kind: "failed", error: expect.stringContaining("stray") });
});

test("P-S-7 a running job in Node that is cancelled goes on; what it schedules, itself or by a mutation, is cancelled", async () => {
  const run = newGroup();
  const [id = ""] = await schedule("node:slowParent", { run });
  await eventually(async () => ((await tags(run)).includes("began") ? true : null));
  await api.value("mutation", "data:cancel", { id });
  expect((await job(id)).state).toEqual({ kind: "canceled" });
  await api.value("mutation", "data:add", { run, tag: "released" });
  const seen = await eventually(async () => {
    const found = await tags(run);
    return found.some((tag) => tag.startsWith("scheduled ")) ? found : null;
  });
  const all: Json[] = await api.value("query", "data:jobs");
  const children = all.filter(({ args, _id }) => args[0].run === run && _id !== id);
  expect(children.map(({ state }) => state.kind)).toEqual(["canceled", "canceled"]);
  expect(seen.find((tag) => tag.startsWith("scheduled "))).toBe(`scheduled ${children[0]._id}`);
  // What is scheduled later has run, so what was scheduled before would have.
  const [later = ""] = await schedule("data:effect", { run, tag: "later" });
  await over(later);
  expect((await tags(run)).filter((tag) => /never|\bscheduled$/.test(tag))).toEqual([]);
  expect((await job(id)).state).toEqual({ kind: "canceled" });
});

test("E-C-14 P-S-5 the service is killed in the middle of twenty jobs: each fails with the phase in which it was lost, none runs twice", async () => {
  const run = newGroup();
  const args = Array.from({ length: 20 }, (_, n) => ({ run, tag: `job ${n}`, ms: 60_000 }));
  const ids = await schedule("node:beginsAndSleeps", ...args);
  await eventually(async () => ((await tags(run)).length >= 5 ? true : null));
  process.kill(listeningPid(backend.nodeActionsUrl ?? ""), "SIGKILL");
  const jobs = await Promise.all(ids.map(over));
  const seen = await tags(run);
  for (const [n, { state }] of jobs.entries()) {
    const effects = seen.filter((tag) => tag.startsWith(`job ${n} `));
    expect([[], [`job ${n} began`]]).toContainEqual(effects);
    expect(state.kind).toBe("failed");
    if (effects.length === 1) {
      expect(state.error).toBe(
        "Transient error while executing action: the connection to the Node service was lost. " +
          "The action may have run in part; it is not tried again.",
      );
    } else {
      expect(state.error).toMatch(/^Transient error while executing action: |^The Node service could not be reached/);
    }
  }
  // Nothing comes later either, and the next one works.
  await eventually(async () => {
    const [id = ""] = await schedule("node:effect", { run: `${run}, again`, tag: "again" });
    return (await over(id)).state.kind === "success" ? true : null;
  });
  expect(await tags(run)).toEqual(seen);
});

test("P-S-10 P-S-12 a cron job in Node ticks, and one that exits does not stop it", async () => {
  const run = newGroup();
  app.write({
    "convex/crons.ts": `
      import { anyApi, cronJobs } from "convex/server";
      const crons = cronJobs();
      crons.interval("ticks", { seconds: 1 }, anyApi.node.effect, { run: "${run}", tag: "tick" });
      crons.interval("exits", { seconds: 1 }, anyApi.node.exits, {});
      export default crons;`,
  });
  await app.deploy(backend);
  await eventually(async () => ((await tags(run)).length >= 3 ? true : null));
  app.remove("convex/crons.ts");
  await app.deploy(backend);
});

test("E-C-14 P-S-5 a job that is due while there is no service fails and says that it could not be reached; it did not run and never will", async () => {
  const run = newGroup();
  await backend.stop();
  await start({ env: { NODE_ACTIONS_URL: "http://127.0.0.1:9" } });
  const [id = ""] = await schedule("node:effect", { run, tag: "never" });
  expect((await over(id)).state).toEqual({
    kind: "failed",
    error: expect.stringContaining("The Node service could not be reached."),
  });
  await backend.stop();
  await start();
  const [later = ""] = await schedule("node:effect", { run, tag: "later" });
  expect((await over(later)).state).toEqual({ kind: "success" });
  expect(await tags(run)).toEqual(["later"]);
});
