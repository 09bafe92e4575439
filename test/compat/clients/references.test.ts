import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";
import { FunctionLog } from "../../support/function-log.ts";

/** Generated references and `makeFunctionReference`, with everything that takes one. */

const SCHEMA = `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ marks: defineTable({ by: v.string() }).index("by_by", ["by"]) });
`;

const MARKS = `import { v } from "convex/values";
import { internalMutation, mutation, query } from "../_generated/server";
export const list = query({ args: {}, handler: async (ctx) => (await ctx.db.query("marks").collect()).map(({ by }) => by) });
export const add = mutation({ args: { by: v.string() }, handler: async (ctx, { by }) => { await ctx.db.insert("marks", { by }); } });
export const addHidden = internalMutation({ args: { by: v.string() }, handler: async (ctx, { by }) => { await ctx.db.insert("marks", { by }); } });
`;

const CALLS = `import { makeFunctionReference } from "convex/server";
import { api, internal } from "./_generated/api";
import { action, mutation } from "./_generated/server";

export const leaf = action({ args: {}, handler: () => "leaf" });
export const generated = action({ args: {}, handler: async (ctx): Promise<unknown> => {
  await ctx.runMutation(internal.deep.marks.addHidden, { by: "runMutation" });
  await ctx.scheduler.runAfter(0, internal.deep.marks.addHidden, { by: "scheduler of an action" });
  return [await ctx.runAction(api.calls.leaf, {}), (await ctx.runQuery(api.deep.marks.list, {})).includes("runMutation")];
} });
export const schedule = mutation({ args: {}, handler: async (ctx) => {
  await ctx.scheduler.runAfter(0, internal.deep.marks.addHidden, { by: "scheduler" });
  await ctx.scheduler.runAfter(0, makeFunctionReference<"mutation">("deep/marks:addHidden"), { by: "made for the scheduler" });
} });
export const made = action({ args: {}, handler: async (ctx): Promise<unknown> => {
  await ctx.runMutation(makeFunctionReference<"mutation">("deep/marks:addHidden"), { by: "made for runMutation" });
  return [
    await ctx.runAction(makeFunctionReference<"action">("calls:leaf"), {}),
    (await ctx.runQuery(makeFunctionReference<"query">("deep/marks:list"), {})).includes("made for runMutation"),
  ];
} });
`;

const CRONS = `import { cronJobs, makeFunctionReference } from "convex/server";
import { internal } from "./_generated/api";
const crons = cronJobs();
crons.interval("generated", { seconds: 1 }, internal.deep.marks.addHidden, { by: "crons" });
crons.interval("made", { seconds: 1 }, makeFunctionReference<"mutation">("deep/marks:addHidden") as never, { by: "made for crons" } as never);
export default crons;
`;

let app: ConvexApp;
let backend: TestBackend;
let client: ConvexClient;

beforeAll(async () => {
  app = new ConvexApp({
    "convex/schema.ts": SCHEMA,
    "convex/deep/marks.ts": MARKS,
    "convex/calls.ts": CALLS,
    "convex/crons.ts": CRONS,
  });
  backend = await startBackend({ app: app.path });
  client = new ConvexClient(backend.url, { skipConvexDeploymentUrlCheck: true });
});

afterAll(async () => {
  await client?.close();
  await backend?.stop();
  app?.[Symbol.dispose]();
});

const list = makeFunctionReference<"query", Record<string, never>, string[]>("deep/marks:list");

function action(name: string): Promise<unknown> {
  return client.action(makeFunctionReference<"action">(name), {});
}

/** Resolves when every mark is there. */
function marked(...marks: string[]): Promise<void> {
  return new Promise((resolve) => {
    const watching = client.onUpdate(list, {}, (found) => {
      if (!marks.every((mark) => found.includes(mark))) return;
      setTimeout(() => watching());
      resolve();
    });
  });
}

test("S4-1 generated references work with runQuery, runMutation, runAction, the scheduler and crons", async () => {
  expect(await action("calls:generated")).toEqual(["leaf", true]);
  await client.mutation(makeFunctionReference<"mutation">("calls:schedule"), {});
  await marked("runMutation", "scheduler of an action", "scheduler", "crons");
});

test("S4-13 references made from a name work with clients, runQuery, runMutation, runAction, the scheduler and crons", async () => {
  expect(await action("calls:made")).toEqual(["leaf", true]);
  const http = new ConvexHttpClient(backend.url, { skipConvexDeploymentUrlCheck: true });
  await http.mutation(makeFunctionReference<"mutation">("deep/marks:add"), { by: "made for a client" });
  expect(await http.query(list, {})).toContain("made for a client");
  await client.mutation(makeFunctionReference<"mutation">("calls:schedule"), {});
  await marked("made for runMutation", "made for the scheduler", "made for crons");
});

test("S4-8 an action that runs an action of its own runtime makes two executions, one the parent of the other", async () => {
  const log = await FunctionLog.open(backend);
  await action("calls:made");
  const outer = await log.completion("calls:made");
  const leaf = await log.completion("calls:leaf");
  expect(leaf["parentExecutionId"]).toBe(outer["executionId"]);
  expect(leaf["executionId"]).not.toBe(outer["executionId"]);
});
