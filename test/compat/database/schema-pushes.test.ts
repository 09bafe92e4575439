import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp, schemaFile } from "../../support/convex-app.ts";
import { failure, FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";

/** Schemas pushed one after the other by the official CLI over data that is there. */

const ROWS = readFileSync(join(FIXTURES, "pushes/convex/rows.ts"), "utf8");

interface Row {
  readonly _id: string;
  readonly [field: string]: unknown;
}

let backend: TestBackend;
let client: FunctionClient;
let app: ConvexApp;

beforeAll(async () => {
  backend = await startBackend();
  client = new FunctionClient(backend.url);
  app = new ConvexApp({ "convex/rows.ts": ROWS });
  await app.deploy(backend);
});

afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
});

function insert(table: string, value: object): Promise<string> {
  return client.mutation("rows:insert", { table, value });
}

function list(table: string, index?: string, field?: string, value?: unknown): Promise<Row[]> {
  return client.query("rows:list", {
    table,
    ...(index === undefined ? {} : { index }),
    ...(field === undefined ? {} : { field, value }),
  });
}

async function pushSchema(tables: Readonly<Record<string, string>>, options?: string): Promise<string> {
  app.write({ "convex/schema.ts": schemaFile(tables, options) });
  const { stdout, stderr } = await app.deploy(backend);
  return stdout + stderr;
}

async function refusedSchema(tables: Readonly<Record<string, string>>, options?: string): Promise<string> {
  app.write({ "convex/schema.ts": schemaFile(tables, options) });
  return await app.failedDeploy(backend);
}

describe("existing documents", () => {
  test("P-D-10 a schema that every document matches is accepted and enforced from then on", async () => {
    await insert("people", { name: "Ada", age: 36 });
    await pushSchema({ people: "({ name: v.string(), age: v.optional(v.number()) })" });
    await insert("people", { name: "Bob" });
    expect(await failure(insert("people", { name: 1 }))).toContain(
      'Failed to insert or update a document in table "people" because it does not match the schema',
    );
    expect(await list("people")).toHaveLength(2);
  });

  test("P-D-10 a schema that one document does not match is refused by its id, and nothing changes", async () => {
    for (let n = 0; n < 30; n++) await insert("mixed", { n });
    const bad = await insert("mixed", { n: "thirty" });
    const text = await refusedSchema({ mixed: '({ n: v.number() }).index("by_n", ["n"])' });
    expect(text).toContain("Schema validation failed.");
    expect(text).toContain(
      `Document with ID "${bad}" in table "mixed" does not match the schema: Value does not match validator.`,
    );
    expect(text).toContain("Path: .n");
    expect(text).toContain('Value: "thirty"');
    expect(text).toContain("Validator: v.float64()");
    // The schema in force is still the one before, which did not know the table; the index is not there.
    await insert("mixed", { n: null });
    expect(await failure(list("mixed", "by_n"))).toContain("Index mixed.by_n not found.");

    for (const { _id } of (await list("mixed")).filter(({ n }) => typeof n !== "number")) {
      await client.mutation("rows:patch", { id: _id, value: { n: 30 } });
    }
    await pushSchema({ mixed: '({ n: v.number() }).index("by_n", ["n"])' });
    expect((await list("mixed", "by_n")).map(({ n }) => n)).toEqual([...Array.from({ length: 31 }, (_, n) => n), 30]);
  });

  test("P-D-10 schemaValidation: false lets every document be, old and new", async () => {
    await insert("loose", { n: "no number" });
    await pushSchema({ loose: "({ n: v.number() })" }, "{ schemaValidation: false }");
    await insert("loose", { n: true, more: 1 });
    expect(await list("loose")).toHaveLength(2);
    expect(await refusedSchema({ loose: "({ n: v.number() })" })).toContain('in table "loose" does not match');
  });

  test("P-D-10 strictTableNameTypes is about types alone: tables outside the schema take documents either way", async () => {
    for (const options of ["{}", "{ strictTableNameTypes: false }"]) {
      await pushSchema({ known: "({ a: v.any() })" }, options);
      await insert("unknownTable", { anything: options });
    }
    expect(await list("unknownTable")).toHaveLength(2);
  });

  test("P-D-10 unions, ids, records and optional fields are checked in depth", async () => {
    const owner = await insert("depthOwners", { name: "o" });
    await insert("depth", { kind: "a", owner, map: { x: 1 } });
    await insert("depth", { kind: "b", list: [{ deep: null }] });
    const table = `(v.union(
      v.object({ kind: v.literal("a"), owner: v.id("depthOwners"), map: v.record(v.string(), v.number()) }),
      v.object({ kind: v.literal("b"), list: v.array(v.object({ deep: v.null() })) }),
    ))`;
    await pushSchema({ depthOwners: "({ name: v.string() })", depth: table });
    await insert("depth", { kind: "a", owner, map: {} });
    expect(await failure(insert("depth", { kind: "b", list: [{ deep: 1 }] }))).toContain('in table "depth"');
    const text = await refusedSchema({
      depthOwners: "({ name: v.string() })",
      depth: '({ kind: v.literal("b"), list: v.array(v.object({ deep: v.null() })) })',
    });
    expect(text).toContain('in table "depth" does not match the schema');
  });
});

describe("indexes", () => {
  test("P-D-11 a new index over old documents answers right after the push", async () => {
    for (const n of [3, 1, 2]) await insert("fresh", { n, kind: n % 2 });
    const printed = await pushSchema({
      fresh: '({ n: v.number(), kind: v.number() }).index("by_kind_n", ["kind", "n"])',
    });
    expect(printed).toContain("[+] fresh.by_kind_n   kind, n, _creationTime");
    expect((await list("fresh", "by_kind_n", "kind", 1)).map(({ n }) => n)).toEqual([1, 3]);
    await insert("fresh", { n: 0, kind: 1 });
    expect((await list("fresh", "by_kind_n", "kind", 1)).map(({ n }) => n)).toEqual([0, 1, 3]);
  });

  test("P-D-11 E-F-11 a removed index is gone, and comes back complete", async () => {
    const indexed = { back: '({ n: v.number() }).index("by_n", ["n"])' };
    await pushSchema(indexed);
    await insert("back", { n: 2 });
    expect(await pushSchema({ back: "({ n: v.number() })" })).toContain("[-] back.by_n");
    expect(await failure(list("back", "by_n"))).toContain("Index back.by_n not found.");
    await insert("back", { n: 1 });
    await pushSchema(indexed);
    expect((await list("back", "by_n")).map(({ n }) => n)).toEqual([1, 2]);
  });

  test("P-D-11 an index of the same name on other fields replaces the old one", async () => {
    await pushSchema({ same: '({ a: v.number(), b: v.number() }).index("by_x", ["a"])' });
    for (const [a, b] of [
      [1, 9],
      [2, 8],
      [3, 7],
    ]) {
      await insert("same", { a, b });
    }
    expect((await list("same", "by_x")).map(({ a }) => a)).toEqual([1, 2, 3]);
    await pushSchema({ same: '({ a: v.number(), b: v.number() }).index("by_x", ["b"])' });
    expect((await list("same", "by_x")).map(({ a }) => a)).toEqual([3, 2, 1]);
    expect((await list("same", "by_x", "b", 8)).map(({ a }) => a)).toEqual([2]);
    expect(await failure(list("same", "by_x", "a", 1))).toContain("doesn't index this field");
  });

  test("P-D-11 E-F-11 a staged index is built in the background and answers once a push enables it", async () => {
    for (let n = 0; n < 50; n++) await insert("staged", { n: 49 - n });
    const printed = await pushSchema({
      staged: '({ n: v.number() }).index("by_n", { fields: ["n"], staged: true })',
    });
    expect(printed).toContain("staged.by_n");
    expect(await failure(list("staged", "by_n"))).toContain(
      "Index staged.by_n is currently staged and not available to query until it is enabled.",
    );
    await insert("staged", { n: 50 });
    await pushSchema({ staged: '({ n: v.number() }).index("by_n", ["n"])' });
    expect((await list("staged", "by_n")).map(({ n }) => n)).toEqual(Array.from({ length: 51 }, (_, n) => n));
    await pushSchema({ staged: '({ n: v.number() }).index("by_n", { fields: ["n"], staged: true })' });
    expect(await failure(list("staged", "by_n"))).toContain("is currently staged");
  });

  test("P-D-11 search and vector indexes push and answer", async () => {
    const table = `({ text: v.string(), embedding: v.array(v.float64()) })
      .searchIndex("search_text", { searchField: "text" })
      .vectorIndex("by_embedding", { vectorField: "embedding", dimensions: 3 })`;
    const printed = await pushSchema({ papers: table });
    expect(printed).toContain("papers.search_text");
    expect(printed).toContain("papers.by_embedding");
    await insert("papers", { text: "hello", embedding: [1, 0, 0] });
    const papers = await list("papers");
    expect(papers).toHaveLength(1);
    expect(
      await client.query("rows:search", { table: "papers", index: "search_text", field: "text", text: "hello" }),
    ).toEqual(papers);
    expect(await client.action("rows:nearest", { table: "papers", index: "by_embedding", vector: [1, 0, 0] })).toEqual([
      { _id: papers[0]?._id, _score: 1 },
    ]);
  });

  test("P-D-11 pushing the same schema again changes nothing", async () => {
    const schema = { again: '({ n: v.number() }).index("by_n", ["n"])' };
    await pushSchema(schema);
    const printed = await pushSchema(schema);
    expect(printed).not.toContain("[+]");
    expect(printed).not.toContain("[-]");
    expect(await list("again", "by_n")).toEqual([]);
  });
});

describe("schemas that are refused", () => {
  const indexes = (count: number) => Array.from({ length: count }, (_, n) => `.index("by_${n}", ["f${n}"])`).join("");
  const fields = (count: number) => `({ ${Array.from({ length: count }, (_, n) => `f${n}: v.any()`).join(", ")} })`;
  const names = (count: number) => JSON.stringify(Array.from({ length: count }, (_, n) => `f${n}`));

  test.each([
    ["33 indexes", { t: fields(33) + indexes(33) }, 'Table "t" cannot have more than 32 indexes.'],
    ["17 fields", { t: `${fields(17)}.index("by_all", ${names(17)})` }, "Indexes may have up to 16 fields."],
    ["a reserved name", { t: `({ a: v.any() }).index("by_id", ["a"])` }, "because the name is reserved"],
    ["an underscore", { t: `({ a: v.any() }).index("_by_a", ["a"])` }, "Indexes may not start with an underscore"],
    [
      "_creationTime",
      { t: `({ a: v.any() }).index("by_a", ["a", "_creationTime"])` },
      "`_creationTime` is automatically added to the end of each index",
    ],
    ["two of one name", { t: `({ a: v.any() }).index("by_a", ["a"]).index("by_a", ["a"])` }, "by_a"],
    [
      "an unknown field",
      { t: `({ a: v.any() }).index("by_b", ["b"])` },
      'references the field "b" that does not exist',
    ],
    ["no fields", { t: `({ a: v.any() }).index("by_none", [])` }, "by_none"],
    ["a system table", { _t: "({ a: v.any() })" }, "_t"],
    ["a table name with a dash", { '"a-b"': "({ a: v.any() })" }, "a-b"],
    [
      "5 search indexes",
      {
        t: `({ a: v.string() })${Array.from({ length: 5 }, (_, n) => `.searchIndex("s${n}", { searchField: "a" })`).join("")}`,
      },
      '"t"',
    ],
    [
      "1 dimension",
      { t: `({ a: v.array(v.float64()) }).vectorIndex("v", { vectorField: "a", dimensions: 1 })` },
      "Dimensions 1 must be between 2 and 4096.",
    ],
  ])("E-F-9 E-F-10 %s", async (_name, tables, text) => {
    const printed = await refusedSchema(tables as Record<string, string>);
    expect(printed).toContain(text);
    expect(printed).toMatch(/evaluating your schema|Error/);
  });
});
