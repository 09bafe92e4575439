import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp } from "../../support/convex-app.ts";
import { FunctionLog, type WireEntry } from "../../support/function-log.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";
import { Api } from "./api.ts";

const FUNCTIONS = `
  import { actionGeneric, mutationGeneric, queryGeneric } from "convex/server";
  const find = (db, name) => db.query("rows").withIndex("by_name", (q) => q.eq("name", name)).unique();
  export const get = queryGeneric(async ({ db }, { name }) => {
    console.log("running");
    return (await find(db, name))?.value ?? null;
  });
  export const total = queryGeneric(async ({ db }) =>
    (await db.query("rows").collect()).reduce((sum, { value }) => sum + value, 0),
  );
  export const add = mutationGeneric(async ({ db }, { name, amount }) => {
    const row = await find(db, name);
    if (row === null) await db.insert("rows", { name, value: amount });
    else await db.patch(row._id, { value: row.value + amount });
    return (row?.value ?? 0) + amount;
  });
  export const whoami = queryGeneric(async ({ auth }) => (await auth.getUserIdentity())?.name ?? null);
  export const nestedWhoami = queryGeneric((ctx) => ctx.runQuery("functions:whoami"));
  export const clock = queryGeneric(() => Date.now());
  export const dice = queryGeneric(() => Math.random());
  export const fails = queryGeneric(() => { throw new Error("no"); });
  export const addAndGet = actionGeneric(async (ctx, { name }) => {
    const seen = [];
    for (let i = 0; i < 3; i++) {
      await ctx.runMutation("functions:add", { name, amount: 1 });
      seen.push(await ctx.runQuery("functions:get", { name }), await ctx.runQuery("functions:get", { name }));
    }
    return seen;
  });
`;

const SCHEMA = `
  import { defineSchema, defineTable } from "convex/server";
  import { v } from "convex/values";
  export default defineSchema({
    rows: defineTable({ name: v.string(), value: v.number() }).index("by_name", ["name"]),
  });
`;

let app: ConvexApp;
let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  app = new ConvexApp({ "convex/functions.js": FUNCTIONS, "convex/schema.js": SCHEMA });
  backend = await startBackend({ app: app.path });
  api = new Api(backend);
});

afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

/** What the log says of the executions of a function during `work`, in the order of their ends. */
async function cached(identifier: string, count: number, work: () => Promise<unknown>): Promise<unknown[]> {
  const log = await FunctionLog.open(backend);
  const isIt = (entry: WireEntry) => entry.kind === "Completion" && entry.identifier === identifier;
  await work();
  await log.until(() => log.seen.filter(isIt).length >= count);
  return log.seen.filter(isIt).map((entry) => entry["cachedResult"]);
}

test("QC1 an unchanged query is answered without running it, with its lines, until something it read is written", async () => {
  await api.value("mutation", "functions:add", { name: "a", amount: 1 });
  await api.value("mutation", "functions:add", { name: "b", amount: 1 });
  const answers: unknown[] = [];
  const get = async () => {
    const { value, logLines } = await api.call("query", "functions:get", { name: "a" });
    answers.push([value, logLines]);
  };
  const flags = await cached("functions:get", 5, async () => {
    await get();
    await get();
    await api.value("mutation", "functions:add", { name: "b", amount: 5 });
    await get();
    await api.value("mutation", "functions:add", { name: "a", amount: 5 });
    await get();
    await get();
  });
  expect(flags).toEqual([false, true, true, false, true]);
  const lines = ["[LOG] 'running'"];
  expect(answers).toEqual([1, 1, 1, 6, 6].map((value) => [value, lines]));
});

test("QC1 a row that appears where a query found none is seen", async () => {
  for (let i = 0; i < 3; i++) {
    const name = `new ${i}`;
    expect(await api.value("query", "functions:get", { name })).toBeNull();
    expect(await api.value("query", "functions:get", { name })).toBeNull();
    await api.value("mutation", "functions:add", { name, amount: i });
    expect(await api.value("query", "functions:get", { name })).toBe(i);
  }
});

test("QC2 who asks gets an answer made for them", async () => {
  const as = (name: string) => {
    const identity = Buffer.from(JSON.stringify({ issuer: "https://issuer", subject: name, name })).toString("base64");
    return api.asAdmin(`${backend.adminKey}:${identity}`);
  };
  for (const path of ["functions:whoami", "functions:nestedWhoami"]) {
    const flags = await cached(path, 6, async () => {
      for (let i = 0; i < 2; i++) {
        for (const name of ["ann", "bob"]) {
          expect((await api.call("query", path, {}, as(name))).value).toBe(name);
        }
        expect((await api.call("query", path)).value).toBeNull();
      }
    });
    expect(flags).toEqual([false, false, false, true, true, true]);
  }
});

test("QC5 chance is never repeated, failures run again, the clock stands still only for a moment", async () => {
  expect(await api.value("query", "functions:dice")).not.toBe(await api.value("query", "functions:dice"));
  const flags = await cached("functions:fails", 2, async () => {
    for (let i = 0; i < 2; i++) expect(await api.error("query", "functions:fails")).toMatch(/^Uncaught Error: no/);
  });
  expect(flags).toEqual([false, false]);
  const first: number = await api.value("query", "functions:clock");
  await expect.poll(() => api.value("query", "functions:clock"), { timeout: 20_000 }).toBeGreaterThan(first);
});

test("QC10 an action's queries are served too, and see what the action wrote", async () => {
  const flags = await cached("functions:get", 6, async () => {
    expect(await api.value("action", "functions:addAndGet", { name: "by action" })).toEqual([1, 1, 2, 2, 3, 3]);
  });
  expect(flags).toEqual([false, true, false, true, false, true]);
});

test("QC10 what was acknowledged before a query was sent is in its answer, whatever else goes on", async () => {
  const seed = freshSeed();
  console.info(`seed ${seed}`);
  const names = Array.from({ length: 6 }, (_, i) => `hammer ${i}`);
  /** Sum of the acknowledged additions, and of those that have been sent. */
  const acknowledged = new Map(names.map((name) => [name, 0]));
  const sent = new Map(names.map((name) => [name, 0]));
  const client = async (random: SeededRandom): Promise<void> => {
    for (let i = 0; i < 60; i++) {
      const name = random.pick(names);
      if (random.chance(0.25)) {
        sent.set(name, (sent.get(name) ?? 0) + 1);
        await api.value("mutation", "functions:add", { name, amount: 1 });
        acknowledged.set(name, (acknowledged.get(name) ?? 0) + 1);
        continue;
      }
      const least = acknowledged.get(name) ?? 0;
      // Some clients hang up, perhaps while others wait for what they had begun.
      if (random.chance(0.15)) {
        const hangUp = new AbortController();
        const gone = api.call("query", "functions:get", { name }, {}, hangUp.signal).then(
          () => {},
          () => {},
        );
        setTimeout(() => hangUp.abort(), random.below(4));
        await gone;
        continue;
      }
      const value: number = (await api.value("query", "functions:get", { name })) ?? 0;
      expect(value).toBeGreaterThanOrEqual(least);
      expect(value).toBeLessThanOrEqual(sent.get(name) ?? 0);
    }
  };
  await Promise.all(Array.from({ length: 24 }, (_, i) => client(new SeededRandom(seed + i))));
  for (const name of names) {
    expect(await api.value("query", "functions:get", { name })).toBe(acknowledged.get(name));
  }
  const flags = await cached("functions:total", 2, async () => {
    const sum = await api.value("query", "functions:total");
    expect(await api.value("query", "functions:total")).toBe(sum);
  });
  expect(flags).toEqual([false, true]);
});

test("QC6 with a cache of no bytes every query runs", async () => {
  await using plain = await startBackend({ app: app.path, env: { CONVECTION_QUERY_CACHE_BYTES: "0" } });
  const log = await FunctionLog.open(plain);
  for (let i = 0; i < 2; i++) await new Api(plain).value("query", "functions:total");
  const isIt = (entry: WireEntry) => entry.identifier === "functions:total";
  await log.until(() => log.seen.filter(isIt).length === 2);
  expect(log.seen.filter(isIt).map((entry) => entry["cachedResult"])).toEqual([false, false]);
});
