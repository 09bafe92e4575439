import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp, schemaFile } from "../../support/convex-app.ts";
import { FunctionClient } from "../../support/function-client.ts";

/** `npx convex import` and `npx convex export` as they come from npm. */

const READ = `import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

export const all = query({ args: { table: v.string() }, handler: (ctx, { table }) => ctx.db.query(table as any).collect() });
export const done = query({
  args: {},
  handler: (ctx) => ctx.db.query("tasks").withIndex("by_done", (q) => q.eq("isCompleted", true)).collect(),
});
export const put = mutation({ args: { table: v.string(), value: v.any() }, handler: (ctx, { table, value }) => ctx.db.insert(table as any, value) });
`;

let backend: TestBackend;
let client: FunctionClient;
let app: ConvexApp;

beforeAll(async () => {
  backend = await startBackend();
  client = new FunctionClient(backend.url);
  app = new ConvexApp({
    "convex/read.ts": READ,
    "convex/schema.ts": schemaFile({
      tasks: `({ text: v.string(), isCompleted: v.optional(v.boolean()) }).index("by_done", ["isCompleted"])`,
    }),
  });
  await app.deploy(backend);
});

afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
});

const run = (...args: string[]) => app.convex(backend, ...args);
const rows = async (table: string) => (await client.query("read:all", { table })) as Record<string, unknown>[];

describe("import", () => {
  test("P-X-2 the quickstart's data: jsonl into a table of the schema", async () => {
    app.write({
      "sampleData.jsonl": `{"text": "Buy groceries", "isCompleted": true}
{"text": "Go for a swim", "isCompleted": true}
{"text": "Integrate Convex", "isCompleted": false}
`,
    });
    const { code, stderr } = await run("import", "--table", "tasks", "sampleData.jsonl");
    expect({ code, added: /Added 3 documents to table "tasks"/.test(stderr), stderr }).toMatchObject({
      code: 0,
      added: true,
    });
    expect((await rows("tasks")).map(({ text }) => text)).toEqual([
      "Buy groceries",
      "Go for a swim",
      "Integrate Convex",
    ]);
    expect(await client.query("read:done", {})).toHaveLength(2);
  });
});
