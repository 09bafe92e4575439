import { join } from "node:path";
import { ConvexClient } from "convex/browser";
import { anyApi } from "convex/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AdminKeys } from "../../../src/auth/admin-key.ts";
import { ApiClient, valueOf } from "../../support/api-client.ts";
import { type TestBackend, startBackend } from "../../support/backend.ts";
import { freshRun } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";
import { eventually, type Job, Jobs } from "../../support/scheduled-jobs.ts";
import { Updates } from "../../support/updates.ts";

/** Where jobs are scheduled and looked at besides queries, mutations and actions of the app: components, HTTP, admins. */

const SECRET = "0123456789abcdef".repeat(4);

let backend: TestBackend;
let jobs: Jobs;
let api: ApiClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "scheduler-app"), env: { CONVECTION_SECRET: SECRET } });
  jobs = new Jobs(backend.url);
  api = new ApiClient(backend);
});
afterAll(() => backend?.stop());

interface Scheduled {
  readonly own: string;
  readonly other: string;
  readonly later: string;
}

async function scheduleInBox(run: string): Promise<Scheduled> {
  const scheduled = await jobs.client.mutation<Scheduled>("boxes:schedule", { run });
  const ids = [scheduled.own, scheduled.other];
  await eventually(async () => {
    const states = await jobs.client.query<readonly { kind: string }[]>("boxes:states", { ids });
    return states.every(({ kind }) => kind === "success") ? true : null;
  });
  return scheduled;
}

test("P-S-1 P-C-6 a component schedules its own functions and, by a handle, those of the app", async () => {
  const run = freshRun();
  const { own, other, later } = await scheduleInBox(run);
  expect(await jobs.client.query("boxes:notes", { run })).toEqual([own]);
  expect(await jobs.tags(run)).toEqual(["by handle"]);
  expect(await jobs.client.query("boxes:states", { ids: [own, other, later] })).toEqual([
    { name: "lib.js:note", kind: "success" },
    { name: "work.js:note", kind: "success" },
    { name: "lib.js:note", kind: "pending" },
  ]);
});

test("P-S-1 P-C-1 the jobs of a component are not in the app's table", async () => {
  const run = freshRun();
  const { own } = await scheduleInBox(run);
  await jobs.over(await jobs.schedule("work:note", { run, tag: "of the app" }));
  expect(await jobs.job(own)).toBeNull();
  const all = await jobs.client.query<readonly { _id: string }[]>("jobs:jobs");
  expect(all.map(({ _id }) => _id)).not.toContain(own);
});

test("P-S-10 a component has cron jobs of its own", async () => {
  const crons = (await valueOf(api.admin("_system/frontend/listCronJobs", {}, "box"))) as readonly object[];
  expect(crons).toMatchObject([{ name: "in the box", cronSpec: { udfPath: "lib.js:note" } }]);
  expect(await valueOf(api.admin("_system/frontend/listCronJobs"))).toEqual([]);
  await eventually(async () => {
    const notes = await jobs.client.query<readonly unknown[]>("boxes:notes", { run: "cron" });
    return notes.length === 1 ? true : null;
  });
  // A cron job's run descends from no scheduled function.
  expect(await jobs.client.query("boxes:notes", { run: "cron" })).toEqual([null]);
});

test("P-S-1 an HTTP action schedules", async () => {
  const run = freshRun();
  const response = await fetch(`${backend.siteUrl}/schedule`, { method: "POST", body: run });
  const id = (await response.json()) as string;
  expect((await jobs.over(id)).state).toEqual({ kind: "success" });
  expect(await jobs.tags(run)).toEqual(["from http"]);
});

function cancel(body: object, key: string): Promise<Response> {
  return api.post("/api/cancel_job", body, { authorization: `Convex ${key}` });
}

test("P-S-7 an admin cancels, in the app and in a component; nobody else does", async () => {
  const run = freshRun();
  const id = await jobs.schedule("work:note", { run, tag: "never" }, { after: 3_600_000 });
  const { later } = await scheduleInBox(run);
  const readOnly = await (await AdminKeys.create("convection", [SECRET])).issue({ readOnly: true });
  expect((await cancel({ id }, readOnly)).status).toBe(403);
  expect((await api.post("/api/cancel_job", { id })).status).toBe(403);
  expect((await jobs.job(id))?.state).toEqual({ kind: "pending" });
  expect((await cancel({ id, componentId: null }, backend.adminKey)).status).toBe(200);
  expect((await cancel({ id: later, componentId: "box" }, backend.adminKey)).status).toBe(200);
  expect((await jobs.job(id))?.state).toEqual({ kind: "canceled" });
  expect(await jobs.client.query("boxes:states", { ids: [later] })).toMatchObject([{ kind: "canceled" }]);
  const wrong = await cancel({ id: "nothing" }, backend.adminKey);
  expect([wrong.status, ((await wrong.json()) as { message: string }).message]).toEqual([
    400,
    "Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table.",
  ]);
});

test("P-S-6 the dashboard's list shows what is not over, with its time and arguments", async () => {
  const run = freshRun();
  const at = Date.now() + 3_600_000;
  const id = await jobs.schedule("work:note", { run, tag: "listed" }, { at });
  await jobs.over(await jobs.schedule("work:note", { run, tag: "over" }));
  const args = { paginationOpts: { cursor: null, numItems: 100 } };
  const list = async (more: object) =>
    (await valueOf(api.admin("_system/frontend/paginatedScheduledJobs", { ...args, ...more }))) as {
      readonly page: readonly { readonly _id: string; readonly udfArgs: string; readonly nextTs: string }[];
    };
  const { page } = await list({ udfPath: "work.js:note" });
  const found = page.find(({ _id }) => _id === id);
  expect(found).toMatchObject({ udfPath: "work.js:note", nextTs: `${at}000000`, state: { type: "pending" } });
  expect(JSON.parse(Buffer.from(found?.udfArgs ?? "", "base64").toString())).toEqual([{ run, tag: "listed" }]);
  expect(JSON.stringify(page)).not.toContain('"success"');
  expect((await list({ udfPath: "work.js:other" })).page).toEqual([]);
});

test("P-D-12 P-S-6 a subscribed client sees a job go from state to state", async () => {
  await using client = connected();
  const states = new Updates<string>();
  const id = await jobs.schedule("work:act", { run: freshRun(), tag: "live", ms: 500 }, { after: 500 });
  client.value.onUpdate(anyApi["jobs"]!["job"]!, { id }, (job: Job | null) => states.add(job?.state.kind ?? "gone"));
  expect(await states.next()).toBe("pending");
  expect(await states.next()).toBe("inProgress");
  expect(await states.next()).toBe("success");
});

function connected(): AsyncDisposable & { readonly value: ConvexClient } {
  const value = new ConvexClient(backend.url, { skipConvexDeploymentUrlCheck: true });
  return { value, [Symbol.asyncDispose]: () => value.close() };
}
