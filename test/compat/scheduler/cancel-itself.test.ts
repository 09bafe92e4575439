import { afterAll, beforeAll, expect, test } from "vitest";
import type { StartPushBody } from "../../../src/deploy/push-body.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { pushRequest } from "../../support/deploy/push-request.ts";
import { freshRun } from "../../support/function-client.ts";
import { Jobs } from "../../support/scheduled-jobs.ts";

/** An app of a version of the npm package that is newer than the one that is installed here. */

let backend: TestBackend;
let jobs: Jobs;

beforeAll(async () => {
  backend = await startBackend();
  jobs = new Jobs(backend.url);
  const request = await pushRequest("scheduler-app");
  await push({ ...request, appDefinition: { ...request.appDefinition, udfServerVersion: "1.50.0" } });
});
afterAll(() => backend?.stop());

async function push(request: StartPushBody): Promise<void> {
  const { adminKey } = backend;
  const post = async <T>(path: string, body: object): Promise<T> => {
    const response = await fetch(`${backend.url}/api/deploy2/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...body, adminKey }),
    });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    return (await response.json()) as T;
  };
  const { schemaChange } = await post<{ schemaChange: object }>("start_push", { ...request, dryRun: false });
  for (let type = ""; type !== "complete";) {
    const waiting = { schemaChange, dryRun: false, timeoutMs: 10_000 };
    ({ type } = await post<{ type: string }>("wait_for_schema", waiting));
  }
  await post("finish_push", { startPush: { schemaChange }, dryRun: false, message: null });
}

test("P-S-7 E-B-11 from version 1.50 of the package on, a mutation that cancels itself fails, and leaves nothing", async () => {
  const run = freshRun();
  const id = await jobs.schedule("canceling:cancelMyself", { run });
  expect((await jobs.over(id)).state).toEqual({
    kind: "failed",
    error: expect.stringContaining("A mutation cannot cancel itself"),
  });
  expect(await jobs.tags(run)).toEqual([]);
});
