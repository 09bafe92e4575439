import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp, schemaFile } from "../../support/convex-app.ts";
import { failure, FunctionClient } from "../../support/function-client.ts";

/** What the developer reads when a push is refused, and that the app of before goes on. */

const GOOD = {
  "convex/good.ts": `import { query, mutation, internalQuery, internalMutation, httpAction } from "./_generated/server";
export const answer = query({ args: {}, handler: () => "from before" });
export const look = internalQuery({ args: {}, handler: () => null });
export const write = internalMutation({ args: {}, handler: () => null });
`,
};

let backend: TestBackend;
let client: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({
    env: { CONVECTION_MODULES: "6", CONVECTION_CODE_BYTES: "400000", CONVECTION_TABLES: "3" },
  });
  client = new FunctionClient(backend.url);
  using app = new ConvexApp(GOOD);
  await app.deploy(backend);
});

afterAll(() => backend?.stop());

afterEach(async () => {
  expect(await client.query("good:answer")).toBe("from before");
});

async function refused(files: Readonly<Record<string, string>>): Promise<string> {
  using app = new ConvexApp({
    ...GOOD,
    "convex/good.ts": GOOD["convex/good.ts"].replace("from before", "never seen"),
    ...files,
  });
  return await app.failedDeploy(backend);
}

test("S0-26 a Node built-in in the default runtime is refused with the hint", async () => {
  const text = await refused({
    "convex/disk.ts": `import { readFileSync } from "fs";
import { query } from "./_generated/server";
export const read = query({ args: {}, handler: () => readFileSync("/etc/passwd", "utf8") });
`,
  });
  expect(text).toContain('It looks like you are using Node APIs from a file without the "use node" directive.');
  expect(text).toContain("https://docs.convex.dev/functions/runtimes#nodejs-runtime");
});

test("S0-26 a pure package is bundled and runs", async () => {
  using app = new ConvexApp({
    ...GOOD,
    "convex/tree.ts": `import { EmptyBTree } from "sorted-btree";
import { query } from "./_generated/server";
export const sorted = query({ args: {}, handler: () => {
  const tree = EmptyBTree.clone();
  for (const n of [3, 1, 2]) tree.set(n, n);
  return tree.keysArray();
} });
`,
  });
  await app.deploy(backend);
  expect(await client.query("tree:sorted")).toEqual([1, 2, 3]);
});

test("P-I-4 a module that throws while it is loaded is named with its line", async () => {
  const text = await refused({
    "convex/broken.ts": `import { query } from "./_generated/server";
const settings: { deep?: { value: number } } = {};
export const value = settings.deep!.value;
export const read = query({ args: {}, handler: () => value });
`,
  });
  expect(text).toContain("Hit an error while pushing:");
  expect(text).toContain("Failed to analyze broken.js: Uncaught TypeError: Cannot read properties of undefined");
  expect(text).toContain("convex/broken.ts:3");
});

test.each([
  [
    "nothing",
    "crons.interval('job', { minutes: 1 }, internal.good.missing)",
    "The cron job 'job' schedules a function that does not exist: good:missing",
  ],
  [
    "a query",
    "crons.interval('job', { minutes: 1 }, internal.good.look)",
    "The cron job 'job' schedules a query function, only actions and mutations can be scheduled: good:look",
  ],
  [
    "one name twice",
    "crons.interval('job', { minutes: 1 }, internal.good.write);\ncrons.interval('job', { minutes: 2 }, internal.good.write)",
    "Cron identifier registered twice: job",
  ],
  [
    "no interval",
    "crons.interval('job', {} as never, internal.good.write)",
    "Must specify one of seconds, minutes, or hours",
  ],
])("E-B-17 a cron job of %s is refused", async (_name, job, expected) => {
  const text = await refused({
    "convex/crons.ts": `import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";
const crons = cronJobs();
${job};
export default crons;
`,
  });
  expect(text).toContain(expected);
});

test("E-F-12 too many files and too much code are refused with both numbers", async () => {
  const module = (n: number) => `export const f${n} = ${n};\n`;
  const many = Object.fromEntries(Array.from({ length: 7 }, (_, n) => [`convex/m${n}.ts`, module(n)]));
  expect(await refused(many)).toContain('Too many function files (8 > maximum 6) in "convex/"');
  const long = `export const text = ${JSON.stringify("x".repeat(450_000))};\n`;
  expect(await refused({ "convex/long.ts": long })).toContain("Total module size exceeded the unzipped maximum");
});

test("E-F-9 the number of tables is bounded for pushes and for mutations alike", async () => {
  using app = new ConvexApp({
    ...GOOD,
    "convex/tables.ts": `import { v } from "convex/values";
import { mutation } from "./_generated/server";
export const insert = mutation({
  args: { table: v.string() },
  handler: (ctx, { table }) => ctx.db.insert(table as "t", {} as never),
});
`,
  });
  await app.deploy(backend);
  for (const table of ["one", "two", "three", "two"]) await client.mutation("tables:insert", { table });
  expect(await failure(client.mutation("tables:insert", { table: "four" }))).toContain(
    "Number of tables cannot exceed 3.",
  );
  app.write({ "convex/schema.ts": schemaFile({ four: "({ a: v.any() })" }) });
  expect(await app.failedDeploy(backend)).toContain("Number of tables cannot exceed 3.");
});

test("P-E-3 a declared variable is required by the push, kept by env remove, and checked by env set", async () => {
  using app = new ConvexApp({
    "convex/good.ts": GOOD["convex/good.ts"],
    "convex/convex.config.ts": `import { defineApp } from "convex/server";
import { v } from "convex/values";
export default defineApp({
  env: { TOKEN: v.string(), MODE: v.optional(v.union(v.literal("fast"), v.literal("safe"))) },
});
`,
    "convex/mode.ts": `import { env, query } from "./_generated/server";
export const get = query({ args: {}, handler: () => ({ token: env.TOKEN, mode: env.MODE ?? null }) });
`,
  });
  const text = await app.failedDeploy(backend);
  expect(text).toContain("TOKEN");
  expect(text).toMatch(
    /declared as required in.*convex\.config\.ts|Required environment variables are not set: TOKEN/s,
  );
  expect(text).toContain("npx convex env set");

  const env = (...args: string[]) => app.convex(backend, "env", ...args);
  expect((await env("set", "TOKEN", "t0")).code).toBe(0);
  await app.deploy(backend);
  expect(await client.query("mode:get")).toEqual({ token: "t0", mode: null });

  const removed = await env("remove", "TOKEN");
  expect({ code: removed.code, named: removed.stderr.includes("TOKEN") }).toEqual({ code: 1, named: true });
  const wrong = await env("set", "MODE", "slow");
  expect({ code: wrong.code, named: wrong.stderr.includes("MODE") }).toEqual({ code: 1, named: true });
  expect(wrong.stderr).not.toContain("slow");
  expect((await env("set", "MODE", "fast")).code).toBe(0);
  expect(await client.query("mode:get")).toEqual({ token: "t0", mode: "fast" });
});
