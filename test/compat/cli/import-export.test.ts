import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConvexClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { strFromU8, strToU8, unzipSync, zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { convex } from "../../support/convex-cli.ts";
import { ConvexApp, schemaFile } from "../../support/convex-app.ts";
import { FunctionClient } from "../../support/function-client.ts";

/** `npx convex import` and `npx convex export` as they come from npm. */

const READ = `import { v } from "convex/values";
import { internalAction, mutation, query } from "./_generated/server";

export const all = query({ args: { table: v.string() }, handler: (ctx, { table }) => ctx.db.query(table as any).collect() });
export const get = query({ args: { id: v.string() }, handler: (ctx, { id }) => ctx.db.get(id as any) });
export const done = query({
  args: {},
  handler: (ctx) => ctx.db.query("tasks").withIndex("by_done", (q) => q.eq("isCompleted", true)).collect(),
});
export const find = query({
  args: { text: v.string() },
  handler: (ctx, { text }) => ctx.db.query("tasks").withSearchIndex("search_text", (q) => q.search("text", text)).collect(),
});
export const put = mutation({ args: { table: v.string(), value: v.any() }, handler: (ctx, { table, value }) => ctx.db.insert(table as any, value) });
export const store = internalAction({
  args: { text: v.string() },
  handler: async (ctx, { text }) => ctx.storage.store(new Blob([text], { type: "text/plain" })),
});
export const files = query({ args: {}, handler: (ctx) => ctx.db.system.query("_storage").collect() });
export const url = query({ args: { id: v.id("_storage") }, handler: (ctx, { id }) => ctx.storage.getUrl(id) });
export const drop = mutation({ args: { id: v.id("_storage") }, handler: (ctx, { id }) => ctx.storage.delete(id) });
`;

const NOTES: Readonly<Record<string, string>> = {
  "convex/convex.config.ts": `import { defineApp } from "convex/server";
import notes from "./notes/convex.config";
const app = defineApp();
app.use(notes);
export default app;
`,
  "convex/notes/convex.config.ts": `import { defineComponent } from "convex/server";
export default defineComponent("notes");
`,
  "convex/notes/schema.ts": schemaFile({ notes: `({ text: v.string() }).index("by_text", ["text"])` }),
  "convex/notes/notes.ts": `import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
export const list = query({
  args: {},
  returns: v.any(),
  handler: (ctx) => ctx.db.query("notes").withIndex("by_text").order("desc").collect(),
});
export const put = mutation({ args: { text: v.string() }, returns: v.any(), handler: (ctx, note) => ctx.db.insert("notes", note) });
`,
  "convex/inside.ts": `import { v } from "convex/values";
import { components } from "./_generated/api";
import { mutation, query } from "./_generated/server";
export const list = query({ args: {}, handler: (ctx): Promise<any> => ctx.runQuery(components.notes.notes.list, {}) });
export const put = mutation({
  args: { text: v.string() },
  handler: (ctx, note): Promise<any> => ctx.runMutation(components.notes.notes.put, note),
});
`,
};

let backend: TestBackend;
let client: FunctionClient;
let app: ConvexApp;

beforeAll(async () => {
  backend = await startBackend();
  client = new FunctionClient(backend.url);
  app = new ConvexApp({
    ...NOTES,
    "convex/read.ts": READ,
    "convex/schema.ts": schemaFile({
      tasks: `({ text: v.string(), isCompleted: v.optional(v.boolean()) })
        .index("by_done", ["isCompleted"]).searchIndex("search_text", { searchField: "text" })`,
      people: `({ name: v.string(), task: v.optional(v.id("tasks")), age: v.optional(v.union(v.int64(), v.number())), picture: v.optional(v.bytes()) })`,
    }),
  });
  await app.deploy(backend);
});

afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
});

type Row = Record<string, unknown>;

const run = (...args: string[]) => app.convex(backend, ...args);
const rows = async (table: string) => (await client.query("read:all", { table })) as Row[];
const texts = async (table: string) => (await rows(table)).map(({ text }) => text);

/** A command that must succeed: what it printed. */
async function good(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  if (code !== 0) throw new Error(`${args.join(" ")} failed\n${stdout}\n${stderr}\n${backend.logs}`);
  return stderr;
}

/** A command that must fail: what it printed. */
async function bad(...args: string[]): Promise<string> {
  const { code, stderr } = await run(...args);
  expect(code, stderr).toBe(1);
  return stderr;
}

function zip(name: string, entries: Readonly<Record<string, string | readonly object[]>>): void {
  const files = Object.entries(entries).map(([path, content]) => {
    const text = typeof content === "string" ? content : content.map((row) => `${JSON.stringify(row)}\n`).join("");
    return [path, strToU8(text)] as const;
  });
  writeFileSync(join(app.path, name), zipSync(Object.fromEntries(files)));
}

function unzip(name: string): Record<string, string> {
  const entries = unzipSync(readFileSync(join(app.path, name)));
  return Object.fromEntries(Object.entries(entries).map(([path, bytes]) => [path, strFromU8(bytes)]));
}

describe("import", () => {
  test("P-X-2 P-D-13 the quickstart's data: jsonl into a table of the schema, seen by subscriptions and indexes", async () => {
    const live = new ConvexClient(backend.url);
    const seen = Promise.withResolvers<void>();
    live.onUpdate(makeFunctionReference<"query", { table: string }, Row[]>("read:all"), { table: "tasks" }, (value) => {
      if (value.length === 3) seen.resolve();
    });
    app.write({
      "sampleData.jsonl": `{"text": "Buy groceries", "isCompleted": true}
{"text": "Go for a swim", "isCompleted": true}
{"text": "Integrate Convex", "isCompleted": false}
`,
    });
    const said = await good("import", "--table", "tasks", "sampleData.jsonl");
    expect(said).toMatch(/Added 3 documents to table "tasks"/);
    expect(await texts("tasks")).toEqual(["Buy groceries", "Go for a swim", "Integrate Convex"]);
    expect(await client.query("read:done", {})).toHaveLength(2);
    expect(await client.query("read:find", { text: "swim" })).toMatchObject([{ text: "Go for a swim" }]);
    await seen.promise;
    await live.close();
  });

  test("P-X-2 a table with documents is refused without a flag, and stays as it is", async () => {
    const before = await rows("tasks");
    expect(await bad("import", "--table", "tasks", "sampleData.jsonl")).toContain(
      'Table "tasks" already exists and holds documents.',
    );
    expect(await rows("tasks")).toEqual(before);
  });

  test("P-X-2 --append adds, --replace asks, shows what it will do and replaces", async () => {
    app.write({ "more.jsonl": `{"text": "One more", "isCompleted": true}` });
    await good("import", "--append", "--table", "tasks", "more.jsonl");
    expect(await texts("tasks")).toEqual(["Buy groceries", "Go for a swim", "Integrate Convex", "One more"]);
    expect(await client.query("read:done", {})).toHaveLength(3);
    // Nobody is there to confirm.
    const asked = await bad("import", "--replace", "--table", "tasks", "more.jsonl");
    expect(asked).toMatch(/tasks \| 1 {6}\| 4 of 4 \|/);
    expect(await rows("tasks")).toHaveLength(4);
    await good("import", "--replace", "--yes", "--table", "tasks", "more.jsonl");
    expect(await texts("tasks")).toEqual(["One more"]);
    expect(await client.query("read:done", {})).toHaveLength(1);
    expect(await client.query("read:find", { text: "swim" })).toEqual([]);
    expect(await client.query("read:find", { text: "more" })).toHaveLength(1);
    await client.mutation("read:put", { table: "tasks", value: { text: "by a mutation" } });
    expect(await texts("tasks")).toEqual(["One more", "by a mutation"]);
  });

  test("P-X-2 CSV values are numbers or strings; a JSON array; a table that did not exist", async () => {
    app.write({
      "a.csv": 'name,count,note\r\n"Ada, ""the"" first",3.5,\r\n\r\nBob,-2e3,"two\nlines"\r\n',
      "b.json": `[ {"a": [1, {"$integer": "AQAAAAAAAAA="}], "b": "],["}, {"c": null} ]`,
    });
    await good("import", "--table", "fromCsv", "a.csv");
    await good("import", "--table", "fromJson", "b.json");
    expect(await rows("fromCsv")).toMatchObject([
      { name: 'Ada, "the" first', count: 3.5, note: "" },
      { name: "Bob", count: -2000, note: "two\nlines" },
    ]);
    expect(await rows("fromJson")).toMatchObject([{ a: [1, 1n], b: "],[" }, { c: null }]);
  });

  test.each([
    ["x.jsonl", `{"text": "fine"}\n{"text": `, "line 2 is not valid JSON"],
    ["x.jsonl", `{"text": "fine"}\n{"text": 5}`, 'in table "tasks" because it does not match the schema'],
    ["x.jsonl", `{"text": "fine", "_id": "nothing"}`, '_id in table "tasks" is not a document ID: "nothing"'],
    ["x.json", `{"text": "fine"}`, "The file is not an array of JSON objects."],
    ["x.csv", `text,isCompleted\na`, "line 2 has 1 fields, but the header has 2."],
  ])("P-X-2 %s %j is refused and the table keeps what it has", async (file, content, text) => {
    app.write({ [file]: content });
    const before = await rows("tasks");
    expect(await bad("import", "--replace", "--yes", "--table", "tasks", file)).toContain(text);
    expect(await rows("tasks")).toEqual(before);
  });

  test("P-X-2 --component imports into a component, whose schema checks; an unknown one is refused", async () => {
    app.write({ "notes.jsonl": `{"text": "a"}\n{"text": "b"}`, "wrong.jsonl": `{"text": 1}` });
    await good("import", "--component", "notes", "--table", "notes", "notes.jsonl");
    expect(await client.query("inside:list")).toMatchObject([{ text: "b" }, { text: "a" }]);
    await client.mutation("inside:put", { text: "c" });
    expect(await client.query("inside:list")).toHaveLength(3);
    expect(await bad("import", "--component", "notes", "--append", "--table", "notes", "wrong.jsonl")).toContain(
      "does not match the schema",
    );
    expect(await bad("import", "--component", "other", "--table", "notes", "notes.jsonl")).toContain(
      'Component "other" does not exist.',
    );
  });

  test("P-X-2 a file of many parts and transactions is complete, in order, once", async () => {
    const count = 4_000;
    app.write({
      "many.jsonl": Array.from({ length: count }, (_, n) => JSON.stringify({ n, pad: "x".repeat(400) })).join("\n"),
    });
    const { code, stderr } = await convexWith(
      { CONVEX_IMPORT_CHUNK_SIZE: "200000" },
      "import",
      "--table",
      "many",
      "many.jsonl",
    );
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect((await rows("many")).map(({ n }) => n)).toEqual(Array.from({ length: count }, (_, n) => n));
  });
});

describe("snapshots", () => {
  test("P-X-1 P-X-2 P-D-13 an export brings everything back: ids, times, references, int64, bytes, files", async () => {
    const task = await client.mutation("read:put", { table: "tasks", value: { text: "referred to" } });
    const picture = new Uint8Array([1, 2, 3]).buffer;
    await client.mutation("read:put", { table: "people", value: { name: "Ada", task, age: 36n, picture } });
    await good("run", "read:store", JSON.stringify({ text: "contents of a file" }));
    const before = await everything();
    await good("export", "--path", "snapshot.zip", "--include-file-storage");
    const entries = unzip("snapshot.zip");
    expect(Object.keys(entries)).toEqual(
      expect.arrayContaining([
        "tasks/documents.jsonl",
        "tasks/generated_schema.jsonl",
        "_storage/documents.jsonl",
        "_tables/documents.jsonl",
      ]),
    );
    expect(entries["people/documents.jsonl"]).toContain('"name":"Ada"');
    const [file] = (await client.query("read:files", {})) as Row[];
    expect(entries[`_storage/${String(file?.["_id"])}.txt`]).toBe("contents of a file");

    await client.mutation("read:put", { table: "tasks", value: { text: "after the snapshot" } });
    await client.mutation("read:drop", { id: file?.["_id"] });
    expect(await everything()).not.toEqual(before);
    expect(await bad("import", "snapshot.zip")).toContain("already exists and holds documents");
    await good("import", "--replace", "--yes", "snapshot.zip");
    expect(await everything()).toEqual(before);
    const url = (await client.query("read:url", { id: file?.["_id"] })) as string;
    expect(await (await fetch(url)).text()).toBe("contents of a file");

    // Into another deployment, empty and with the same schema.
    await using other = await startBackend();
    await app.deploy(other);
    const { code, stderr } = await app.convex(other, "import", "snapshot.zip");
    expect({ code, stderr }).toMatchObject({ code: 0 });
    client = new FunctionClient(other.url);
    try {
      expect(await everything()).toEqual(before);
      await client.mutation("read:put", { table: "new", value: {} });
    } finally {
      client = new FunctionClient(backend.url);
    }
  });

  test("P-X-1 --path of a directory, where the file is named after the snapshot; without the flag it has no files", async () => {
    app.write({ "exports/.keep": "" });
    const name = /exports\/snapshot_\d{19}\.zip/.exec(await good("export", "--path", "exports"))?.[0];
    const entries = Object.keys(unzip(name ?? ""));
    expect(entries).toContain("people/documents.jsonl");
    expect(entries.filter((entry) => entry.startsWith("_storage"))).toEqual([]);
  });

  test("P-X-1 XFER4 a second export beside one that runs is refused", async () => {
    const request = async () => {
      const headers = { authorization: `Convex ${backend.adminKey}` };
      const response = await fetch(`${backend.url}/api/export/request/zip`, { method: "POST", headers });
      return response.ok ? "requested" : ((await response.json()) as { code: string }).code;
    };
    // The first one may be done before the second one comes.
    for (let seen: string[] = []; !seen.includes("ExportInProgress");) {
      seen = await Promise.all([request(), request(), request()]);
      expect(["requested", "ExportInProgress"]).toEqual(expect.arrayContaining(seen));
    }
    for (let last = "ExportInProgress"; last === "ExportInProgress";) last = await request();
  });

  test("P-X-2 XFER7 a snapshot of the hosted product: int64 and bytes come as strings, and the schema says so", async () => {
    const types = JSON.stringify('{"_creationTime": normalfloat64, "name": string, "age": int64, "picture": bytes}');
    zip("hosted.zip", {
      "README.md": "from elsewhere",
      "_tables/documents.jsonl": [{ name: "people", id: 10_050 }],
      "people/documents.jsonl": [{ name: "Bob", age: "36", picture: "AQID" }],
      "people/generated_schema.jsonl": `${types}\n`,
    });
    await good("import", "--replace", "--yes", "hosted.zip");
    expect(await rows("people")).toMatchObject([{ name: "Bob", age: 36n, picture: new Uint8Array([1, 2, 3]).buffer }]);
    zip("unknown.zip", { "unknown/documents.jsonl": [{ age: "36" }], "unknown/generated_schema.jsonl": `${types}\n` });
    expect(await bad("import", "unknown.zip")).toContain('Table "unknown" holds int64, bytes or special numbers');
  });

  test("P-X-2 --replace-all empties the tables that the file does not name", async () => {
    zip("one.zip", { "people/documents.jsonl": [{ name: "only" }] });
    await good("import", "--replace-all", "--yes", "one.zip");
    expect((await rows("people")).map(({ name }) => name)).toEqual(["only"]);
    expect(await rows("tasks")).toEqual([]);
    expect(await rows("many")).toEqual([]);
  });
});

async function everything() {
  const tables = ["tasks", "people", "fromCsv", "fromJson", "many"];
  const found = await Promise.all(tables.map(async (table) => [table, await rows(table)]));
  return [...found, await client.query("read:files", {}), await client.query("inside:list")];
}

const convexWith = (env: Readonly<Record<string, string>>, ...args: string[]) => convex(app.path, backend, args, env);
