import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConvexClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiClient, errorOf, valueOf } from "../../support/api-client.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp, schemaFile } from "../../support/convex-app.ts";

/** One deployment that is paused by the first test and resumed by the last. */

const TEXT =
  "Cannot run functions while this deployment is paused. Resume the deployment in the dashboard settings to allow functions to run.";

const MAIN = (version: string) =>
  `import { makeFunctionReference } from "convex/server";
import { v } from "convex/values";
import { action, internalAction, internalMutation, mutation, query } from "./_generated/server";

const note = makeFunctionReference<"mutation">("main:note");

export const note = internalMutation({ args: { text: v.string() }, handler: async (ctx, args) => {
  await ctx.db.insert("notes", args);
} });
export const add = mutation({ args: { text: v.string() }, handler: async (ctx, args) => {
  await ctx.db.insert("notes", args);
} });
export const texts = query({ args: {}, handler: async (ctx) => (await ctx.db.query("notes").collect()).map(({ text }) => text) });
export const version = query({ args: {}, handler: () => ${JSON.stringify(version)} });
export const act = action({ args: {}, handler: () => "acted" });
export const upload = mutation({ args: {}, handler: (ctx) => ctx.storage.generateUploadUrl() });
export const noteLater = internalAction({ args: { text: v.string() }, handler: async (ctx, args) => {
  await ctx.runMutation(noteReference, args);
} });
/** A mutation and an action, both due at the same time. */
export const schedule = mutation({ args: { text: v.string(), at: v.number() }, handler: async (ctx, { text, at }) => {
  await ctx.scheduler.runAt(at, noteReference, { text: text + " by mutation" });
  await ctx.scheduler.runAt(at, makeFunctionReference<"action">("main:noteLater"), { text: text + " by action" });
} });
export const tick = internalMutation({ args: {}, handler: async (ctx) => { await ctx.db.insert("ticks", {}); } });
`.replace(
    'const note = makeFunctionReference<"mutation">("main:note");',
    'const noteReference = makeFunctionReference<"mutation">("main:note") as any;',
  );

const FILES = {
  "convex/main.ts": MAIN("first"),
  "convex/schema.ts": schemaFile({ notes: "({ text: v.string() })", ticks: "({})" }),
  "convex/crons.ts": `import { cronJobs, makeFunctionReference } from "convex/server";
const crons = cronJobs();
crons.interval("tick", { seconds: 1 }, makeFunctionReference<"mutation">("main:tick") as any, {});
export default crons;
`,
  "convex/http.ts": `import { httpRouter } from "convex/server";
import { httpAction } from "./_generated/server";
const http = httpRouter();
http.route({ path: "/hello", method: "GET", handler: httpAction(async () => new Response("hello")) });
export default http;
`,
};

const data = mkdtempSync(join(tmpdir(), "convection-paused-"));
let backend: TestBackend;
let api: ApiClient;
let app: ConvexApp;
/** From when no function was called any more. */
let pausedFrom = 0;

beforeAll(async () => {
  app = new ConvexApp(FILES);
  backend = await startBackend({ data });
  api = new ApiClient(backend);
  await app.deploy(backend);
});

afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
  rmSync(data, { recursive: true, force: true });
});

const asAdmin = () => ({ authorization: `Convex ${backend.adminKey}` });
const setState = (how: string, body: object = {}) => api.post(`/api/${how}`, body, asAdmin());
const state = () => valueOf(api.admin("_system/frontend/deploymentState:deploymentState"));
const reference = (name: string) => makeFunctionReference<"query">(name);

async function rows(table: string): Promise<readonly { readonly text: string }[]> {
  const page = { table, order: "asc", paginationOpts: { cursor: null, numItems: 1000 } };
  return ((await valueOf(api.admin("_system/cli/tableData", page))) as { page: { text: string }[] }).page;
}

/** Names of the functions that are scheduled and not over. */
async function waiting(): Promise<string[]> {
  const page = { paginationOpts: { cursor: null, numItems: 1000 } };
  const answer = await valueOf(api.admin("_system/frontend/paginatedScheduledJobs", page));
  return (answer as { page: { udfPath: string }[] }).page.map(({ udfPath }) => udfPath).toSorted();
}

/** When the last runs of the cron job were due, in milliseconds. */
async function cronRuns(): Promise<readonly number[]> {
  const [job] = (await valueOf(api.admin("_system/frontend/listCronJobs"))) as { _id: string }[];
  const runs = await valueOf(api.admin("_system/frontend/listCronJobRuns", { cronId: job?._id }));
  return (runs as { ts: string }[]).map(({ ts }) => Number(BigInt(ts) / 1_000_000n));
}

const JOBS = ["main.js:note", "main.js:noteLater"];

test("P-F-29 E-C-18 calls of a paused deployment fail with the text, however they come, and subscriptions are told", async () => {
  expect(await state()).toEqual({ state: "running" });
  await using client = disposable(new ConvexClient(backend.url, { skipConvexDeploymentUrlCheck: true, logger: false }));
  const told: (string | Error)[] = [];
  client.value.onUpdate(
    reference("main:version"),
    {},
    (version: string) => void told.push(version),
    (error) => void told.push(error),
  );
  await expect.poll(() => told.at(-1), { timeout: 30_000 }).toBe("first");
  await expect.poll(async () => (await rows("ticks")).length, { timeout: 30_000 }).toBeGreaterThan(0);
  const uploadUrl = (await valueOf(api.mutation("main:upload"))) as string;

  // Jobs that come due within the pause. Whether they do is up to how long pausing takes: more time until they do.
  for (let ms = 2_000; ; ms *= 2) {
    await valueOf(api.mutation("main:schedule", { text: `after ${ms}`, at: Date.now() + ms }));
    const response = await setState("v1/pause_deployment");
    expect([response.status, await response.text()]).toEqual([200, ""]);
    pausedFrom = Date.now();
    if ((await waiting()).length === JOBS.length) break;
    expect((await setState("v1/unpause_deployment")).status).toBe(200);
    await expect.poll(waiting, { timeout: 30_000 }).toEqual([]);
  }
  expect(await state()).toEqual({ state: "paused" });

  expect(await errorOf(api.query("main:texts"))).toContain(TEXT);
  expect(await errorOf(api.mutation("main:add", { text: "lost" }))).toContain(TEXT);
  expect(await errorOf(api.action("main:act"))).toContain(TEXT);
  expect(await errorOf(api.admin("main:texts"))).toContain(TEXT);
  const hello = await fetch(`${backend.siteUrl}/hello`);
  expect([hello.status, await hello.text()]).toEqual([500, expect.stringContaining(TEXT)]);
  const upload = await fetch(uploadUrl, { method: "POST", body: "a file" });
  expect([upload.status, await upload.json()]).toEqual([400, expect.objectContaining({ code: "BackendIsNotRunning" })]);
  const run = await app.convex(backend, "run", "main:act");
  expect([run.code, run.stderr]).toEqual([1, expect.stringContaining(TEXT)]);

  await expect.poll(() => String(told.at(-1)), { timeout: 30_000 }).toContain(TEXT);
  await expect(client.value.mutation(makeFunctionReference<"mutation">("main:add"), { text: "lost" })).rejects.toThrow(
    TEXT,
  );
  await expect(client.value.action(makeFunctionReference<"action">("main:act"), {})).rejects.toThrow(TEXT);
  expect((await rows("notes")).filter(({ text }) => text === "lost")).toEqual([]);
});

test("P-F-29 a paused deployment takes pushes and variables, and stays paused when it starts anew", async () => {
  app.write({ "convex/main.ts": MAIN("second") });
  await app.deploy(backend);
  expect(await app.convex(backend, "env", "set", "GREETING", "hello")).toMatchObject({ code: 0 });
  expect(await errorOf(api.query("main:version"))).toContain(TEXT);

  await backend.kill();
  backend = await startBackend({ data });
  api = new ApiClient(backend);
  expect(await state()).toEqual({ state: "paused" });
  expect(await errorOf(api.query("main:version"))).toContain(TEXT);
  // Pausing what is paused changes nothing.
  expect((await setState("change_deployment_state", { newState: "paused" })).status).toBe(200);
  expect((await setState("change_deployment_state", { newState: "exploded" })).status).toBe(400);
  expect(await state()).toEqual({ state: "paused" });
});

test("P-F-29 scheduled functions wait for the end of the pause, cron jobs skip it", async () => {
  await expect
    .poll(async () => Number((await listedJobs()).every(({ nextTs }) => nextTs < Date.now())), { timeout: 120_000 })
    .toBe(1);
  const [notes, ticks] = [await rows("notes"), await rows("ticks")];
  expect(await waiting()).toEqual(JOBS);

  await using client = disposable(new ConvexClient(backend.url, { skipConvexDeploymentUrlCheck: true, logger: false }));
  const told: (string | Error)[] = [];
  client.value.onUpdate(
    reference("main:version"),
    {},
    (version: string) => void told.push(version),
    (error) => void told.push(error),
  );
  await expect.poll(() => String(told.at(-1)), { timeout: 30_000 }).toContain(TEXT);
  expect(await rows("ticks")).toHaveLength(ticks.length);

  const pausedTo = Date.now();
  expect((await setState("change_deployment_state", { newState: "running" })).status).toBe(200);
  await expect.poll(waiting, { timeout: 30_000 }).toEqual([]);
  const added = (await rows("notes")).slice(notes.length).map(({ text }) => text);
  expect(added.toSorted()).toEqual([
    expect.stringMatching(/^after \d+ by action$/),
    expect.stringMatching(/^after \d+ by mutation$/),
  ]);
  await expect.poll(() => told.at(-1), { timeout: 30_000 }).toBe("second");
  expect(await valueOf(api.action("main:act"))).toBe("acted");
  expect(await (await fetch(`${backend.siteUrl}/hello`)).text()).toBe("hello");

  await expect.poll(async () => (await rows("ticks")).length, { timeout: 30_000 }).toBeGreaterThan(ticks.length);
  const runs = await cronRuns();
  expect(runs.filter((due) => due >= pausedFrom && due < pausedTo)).toEqual([]);
  expect(runs.some((due) => due >= pausedTo)).toBe(true);
});

async function listedJobs(): Promise<readonly { readonly nextTs: number }[]> {
  const page = { paginationOpts: { cursor: null, numItems: 1000 } };
  const answer = await valueOf(api.admin("_system/frontend/paginatedScheduledJobs", page));
  return (answer as { page: { nextTs: string }[] }).page.map(({ nextTs }) => ({
    nextTs: Number(BigInt(nextTs) / 1_000_000n),
  }));
}

function disposable(value: ConvexClient): { readonly value: ConvexClient } & AsyncDisposable {
  return { value, [Symbol.asyncDispose]: () => value.close() };
}
