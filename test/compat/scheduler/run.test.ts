import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestBackend, startBackend } from "../../support/backend.ts";
import { failure, freshRun } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";
import { FunctionLog } from "../../support/function-log.ts";
import { eventually, Jobs } from "../../support/scheduled-jobs.ts";

let backend: TestBackend;
let jobs: Jobs;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "scheduler-app") });
  jobs = new Jobs(backend.url);
});
afterAll(() => backend?.stop());

test("P-S-1 P-S-6 a mutation schedules a mutation and an action: both run, and their documents say so", async () => {
  const run = freshRun();
  const before = Date.now();
  const mutation = await jobs.schedule("work:note", { run, tag: "mutation" });
  const action = await jobs.schedule("work:act", { run, tag: "action" });
  expect(await jobs.over(mutation)).toEqual({
    _id: mutation,
    _creationTime: expect.any(Number),
    name: "work.js:note",
    args: [{ run, tag: "mutation" }],
    scheduledTime: expect.any(Number),
    completedTime: expect.any(Number),
    state: { kind: "success" },
  });
  const ended = await jobs.over(action);
  expect(ended.state).toEqual({ kind: "success" });
  expect(ended.scheduledTime).toBeGreaterThanOrEqual(before);
  expect(ended.completedTime).toBeGreaterThanOrEqual(ended.scheduledTime);
  const tags = await jobs.tags(run);
  expect(tags.toSorted()).toEqual(["action began", "action ended", "mutation"]);
});

test("P-S-1 runAt takes a number or a date, runAfter a delay; nothing runs before its time", async () => {
  const run = freshRun();
  const at = Date.now() + 700;
  const ids = await Promise.all([
    jobs.schedule("work:note", { run, tag: "number" }, { at }),
    jobs.client.mutation<string>("jobs:scheduleAtDate", { name: "work:note", args: { run, tag: "date" }, ms: at }),
    jobs.schedule("work:note", { run, tag: "delay" }, { after: 700 }),
    jobs.scheduleFromAction("work:note", { run, tag: "action" }, { at }),
  ]);
  for (const id of ids) {
    const job = await jobs.job(id);
    expect(job?.state).toEqual({ kind: "pending" });
  }
  expect(await jobs.job(ids[0] ?? "")).toMatchObject({ scheduledTime: at });
  for (const id of ids) await jobs.over(id);
  for (const { at: ran } of await jobs.events(run)) expect(ran).toBeGreaterThanOrEqual(at);
  expect((await jobs.tags(run)).toSorted()).toEqual(["action", "date", "delay", "number"]);
});

test("P-S-1 a time in the past is now", async () => {
  const run = freshRun();
  const job = await jobs.over(await jobs.schedule("work:note", { run, tag: "late" }, { at: Date.now() - 86_400_000 }));
  expect(job.state).toEqual({ kind: "success" });
  expect(await jobs.tags(run)).toEqual(["late"]);
});

test("S0-35 the documented pattern: a mutation inserts a task and schedules an action with its id", async () => {
  const run = freshRun();
  const taskId = await jobs.client.mutation<string>("pattern:mutationThatSchedulesAction", { run, text: "buy milk" });
  const [event] = await jobs.eventCount(run, 1);
  expect(event?.detail).toEqual({ taskId, text: "buy milk", found: "buy milk" });
});

test("S0-36 P-S-3 a mutation that throws schedules nothing", async () => {
  const run = freshRun();
  const before = await jobs.client.query<unknown[]>("jobs:jobs");
  const failed = jobs.client.mutation("jobs:scheduleAndThrow", { name: "work:act", args: { run, tag: "never" } });
  await expect(failed).rejects.toThrow("after all not");
  expect(await jobs.client.query<unknown[]>("jobs:jobs")).toHaveLength(before.length);
  // What was scheduled later has run, so what was scheduled before would have.
  await jobs.over(await jobs.schedule("work:note", { run, tag: "later" }));
  expect(await jobs.tags(run)).toEqual(["later"]);
});

test("P-S-3 what a failed nested mutation scheduled goes with it, what others scheduled stays", async () => {
  const run = freshRun();
  await jobs.client.mutation("jobs:nested", {
    lost: { name: "work:note", args: { run, tag: "lost" } },
    kept: { name: "work:note", args: { run, tag: "kept" } },
  });
  await jobs.eventCount(run, 1);
  await jobs.over(await jobs.schedule("work:note", { run, tag: "later" }));
  expect((await jobs.tags(run)).toSorted()).toEqual(["kept", "later"]);
});

test("S0-37 of two concurrent calls with one key, exactly one schedules", async () => {
  const run = freshRun();
  const claim = () => jobs.client.mutation<boolean>("pattern:claim", { run });
  const claimed = await Promise.all(Array.from({ length: 8 }, claim));
  expect(claimed.filter(Boolean)).toHaveLength(1);
  await jobs.eventCount(run, 2);
  await jobs.over(await jobs.schedule("work:note", { run, tag: "later" }));
  expect(await jobs.tags(run)).toEqual(["claimed began", "claimed ended", "later"]);
});

test("S0-20 S1-14 P-S-4 an action schedules at once, and what it scheduled runs although it throws", async () => {
  const run = freshRun();
  const failed = jobs.client.action("jobs:actionThatThrows", { name: "work:note", args: { run, tag: "runs" } });
  await expect(failed).rejects.toThrow("after all not");
  await jobs.eventCount(run, 1);
  expect(await jobs.tags(run)).toEqual(["runs"]);
});

test("P-S-5 P-S-6 a scheduled mutation that throws leaves nothing but its failure", async () => {
  const run = freshRun();
  const job = await jobs.over(await jobs.schedule("work:throwing", { run }));
  expect(job.state).toEqual({
    kind: "failed",
    error: expect.stringMatching(/^Uncaught Error: no luck\n {4}at handler \(\.\.\/convex\/work\.ts:\d+:\d+\)/),
  });
  expect(job.completedTime).toBeGreaterThanOrEqual(job.scheduledTime);
  expect(await jobs.tags(run)).toEqual([]);
});

test("P-S-5 P-S-6 a scheduled action that throws keeps what it did and is not run again", async () => {
  const run = freshRun();
  const job = await jobs.over(await jobs.schedule("work:throwingAction", { run }));
  expect(job.state).toEqual({ kind: "failed", error: expect.stringContaining("Uncaught Error: no luck either") });
  await jobs.over(await jobs.schedule("work:note", { run, tag: "later" }));
  expect(await jobs.tags(run)).toEqual(["kept", "later"]);
});

test("P-S-6 an action is in progress while it runs", async () => {
  const run = freshRun();
  const id = await jobs.schedule("work:act", { run, tag: "long", ms: 500 });
  const running = await jobs.until(id, ({ state }) => state.kind !== "pending");
  expect(running.state).toEqual({ kind: "inProgress" });
  expect(running).not.toHaveProperty("completedTime");
  expect((await jobs.over(id)).state).toEqual({ kind: "success" });
});

test("P-S-5 mutations that conflict are run again until each has had its effect once", async () => {
  const run = freshRun();
  await jobs.client.mutation("jobs:scheduleCount", { count: 200, name: "work:increment", args: { run } });
  await eventually(async () => ((await jobs.unfinished()) === 0 ? true : null));
  expect(await jobs.client.query("jobs:counter", { run })).toBe(200);
});

test("P-S-8 P-F-19 a scheduled run has no identity, and knows which job it is", async () => {
  const run = freshRun();
  const id = await jobs.schedule("work:whoami", { run });
  await jobs.over(id);
  const [event] = await jobs.events(run);
  const request = {
    ip: null,
    userAgent: null,
    requestId: expect.stringMatching(/^[0-9a-f]{16}$/),
    scheduledFunctionId: id,
    authToken: null,
  };
  expect(event?.detail).toEqual({ identity: null, request });
});

test("P-S-8 P-F-19 a scheduled action has no identity, and what it calls descends from the job too", async () => {
  const run = freshRun();
  const id = await jobs.schedule("work:whoamiAction", { run });
  await jobs.over(id);
  const events = await jobs.events(run);
  expect(events.map(({ tag }) => tag)).toEqual(["action", "mutation"]);
  for (const { detail } of events) {
    expect(detail).toMatchObject({ identity: null, request: { scheduledFunctionId: id, ip: null, userAgent: null } });
  }
});

test("P-D-12 jobs are read with db.system, by id and by creation time, and can't be written", async () => {
  const run = freshRun();
  const id = await jobs.schedule("work:note", { run, tag: "later" }, { after: 3_600_000 });
  const job = await jobs.job(id);
  expect(job).toMatchObject({ _id: id, name: "work.js:note", state: { kind: "pending" } });
  const all = await jobs.client.query<readonly { _id: string; _creationTime: number }[]>("jobs:jobs");
  expect(all.find(({ _id }) => _id === id)).toEqual(job);
  expect(all.map(({ _creationTime }) => _creationTime)).toEqual(
    all.map(({ _creationTime }) => _creationTime).toSorted((a, b) => a - b),
  );
  for (const attempt of ["get", "patch", "delete", "query"]) {
    await expect(jobs.client.mutation("pattern:trespass", { id, attempt })).rejects.toThrow(
      /System tables can only be accessed (with|from) db\.system\./,
    );
  }
  expect(await jobs.job(id)).toEqual(job);
});

test("P-S-5 the function log tells of scheduled runs by their caller", async () => {
  const log = await FunctionLog.open(backend);
  const run = freshRun();
  const id = await jobs.schedule("work:whoami", { run });
  const mutation = await log.completion("work:whoami");
  expect(mutation).toMatchObject({ caller: "Scheduler", identityType: "system", error: null });
  expect((await jobs.over(id)).state.kind).toBe("success");
});

test("S4-9 a retrier: it schedules by name, waits longer each time, and stops at the first success", async () => {
  const run = freshRun();
  await jobs.client.mutation("retrier:start", { action: "retrier:flaky", args: { run, failures: 2 }, base: 100 });
  const events = await jobs.eventCount(run, 4);
  expect(events.map(({ tag }) => tag)).toEqual(["attempt 1", "attempt 2", "attempt 3", "succeeded"]);
  const [first = 0, second = 0, third = 0] = events.map(({ at }) => at);
  expect(second - first).toBeGreaterThanOrEqual(100);
  expect(third - second).toBeGreaterThanOrEqual(200);
});

test("S4-10 the retrier is internal: no client reaches it, nor the action it would run", async () => {
  const run = freshRun();
  const args = { action: "retrier:flaky", args: { run, failures: 0 }, base: 1, number: 1 };
  for (const attempt of [
    () => jobs.client.mutation("retrier:retry", args),
    () => jobs.client.action("retrier:attempt", args),
    () => jobs.client.action("retrier:flaky", { run, failures: 0, number: 1 }),
  ]) {
    expect(await failure(attempt())).toMatch(/Could not find public function for 'retrier:(retry|attempt|flaky)'/);
  }
  await jobs.over(await jobs.schedule("work:note", { run, tag: "later" }));
  expect(await jobs.tags(run)).toEqual(["later"]);
});
