import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestBackend, startBackend } from "../../support/backend.ts";
import { freshRun } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Jobs } from "../../support/scheduled-jobs.ts";

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
