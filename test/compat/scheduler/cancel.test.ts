import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestBackend, startBackend } from "../../support/backend.ts";
import { failure, freshRun } from "../../support/function-client.ts";
import { FunctionLog } from "../../support/function-log.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Jobs } from "../../support/scheduled-jobs.ts";

let backend: TestBackend;
let jobs: Jobs;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "scheduler-app") });
  jobs = new Jobs(backend.url);
});
afterAll(() => backend?.stop());

const INVALID = "Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table.";

describe.each<[string, (id: unknown) => Promise<unknown>]>([
  ["a mutation", (id) => jobs.client.mutation("jobs:cancel", { id })],
  ["an action", (id) => jobs.client.action("jobs:cancelFromAction", { id })],
])("from %s", (_, cancel) => {
  test("P-S-7 a pending job that is cancelled never runs", async () => {
    const run = freshRun();
    const at = Date.now() + 400;
    const id = await jobs.schedule("work:note", { run, tag: "canceled" }, { at });
    await cancel(id);
    expect(await jobs.job(id)).toMatchObject({ state: { kind: "canceled" }, completedTime: expect.any(Number) });
    // Due after it, and run after it.
    await jobs.over(await jobs.schedule("work:note", { run, tag: "later" }, { at: at + 50 }));
    expect(await jobs.tags(run)).toEqual(["later"]);
    expect((await jobs.job(id))?.state).toEqual({ kind: "canceled" });
  });

  test("P-S-7 a job that is over stays as it is", async () => {
    const run = freshRun();
    const id = await jobs.schedule("work:note", { run, tag: "done" });
    const over = await jobs.over(id);
    await cancel(id);
    expect(await jobs.job(id)).toEqual(over);
  });

  test("P-S-7 a running action goes on, and what it schedules from then on is cancelled", async () => {
    const run = freshRun();
    const id = await jobs.schedule("canceling:slowParent", { run });
    await jobs.eventCount(run, 1);
    await cancel(id);
    expect((await jobs.job(id))?.state).toEqual({ kind: "canceled" });
    await jobs.client.mutation("canceling:release", { run });
    const events = await jobs.eventCount(run, 3);
    expect(events.map(({ tag }) => tag)).toEqual(["began", "released", "scheduled"]);
    const children = events[2]?.detail as Readonly<Record<"direct" | "nested", string>> | undefined;
    for (const child of [children?.direct ?? "", children?.nested ?? ""]) {
      expect(await jobs.job(child)).toMatchObject({ state: { kind: "canceled" }, completedTime: expect.any(Number) });
    }
    await jobs.over(await jobs.schedule("work:note", { run, tag: "later" }));
    expect(await jobs.tags(run)).toEqual(["began", "released", "scheduled", "later"]);
    expect((await jobs.job(id))?.state).toEqual({ kind: "canceled" });
  });

  test.each([
    ["a document of another table", () => jobs.client.mutation<string>("canceling:otherId", { run: freshRun() })],
    ["no id at all", async () => "not an id"],
  ])("E-B-11 %s is no scheduled function", async (_case, id) => {
    expect(await failure(cancel(await id()))).toContain(INVALID);
  });
});

test("P-S-7 cancelling is part of the mutation: one that throws cancels nothing", async () => {
  const run = freshRun();
  const id = await jobs.schedule("work:note", { run, tag: "runs" }, { after: 300 });
  await expect(jobs.client.mutation("canceling:cancelAndThrow", { id })).rejects.toThrow("changed my mind");
  expect((await jobs.over(id)).state).toEqual({ kind: "success" });
  expect(await jobs.tags(run)).toEqual(["runs"]);
});

test("P-S-7 what a mutation schedules and cancels itself never runs", async () => {
  const run = freshRun();
  const id = await jobs.client.mutation<string>("canceling:scheduleAndCancel", { run });
  expect((await jobs.job(id))?.state).toEqual({ kind: "canceled" });
  await jobs.over(await jobs.schedule("work:note", { run, tag: "later" }));
  expect(await jobs.tags(run)).toEqual(["later"]);
});

test("P-S-7 E-B-11 a scheduled mutation can't cancel itself", async () => {
  const run = freshRun();
  const log = await FunctionLog.open(backend);
  const id = await jobs.schedule("canceling:cancelMyself", { run });
  expect((await jobs.over(id)).state).toEqual({ kind: "success" });
  expect(await jobs.tags(run)).toEqual(["still here"]);
  const { logLines } = await log.completion("canceling:cancelMyself");
  expect(JSON.stringify(logLines)).toContain(
    "A scheduled mutation canceling itself is deprecated and will throw an error in a future version of Convex.",
  );
});
