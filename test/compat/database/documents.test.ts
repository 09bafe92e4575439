import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { failure, freshRun, FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";

/** `convex/documents.ts` of the fixture over HTTP. */

interface Document {
  readonly _id: string;
  readonly _creationTime: number;
  readonly [field: string]: unknown;
}

let backend: TestBackend;
let client: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "database") });
  client = new FunctionClient(backend.url);
});

afterAll(() => backend?.stop());

function insert(table: string, value: object): Promise<string> {
  return client.mutation("documents:insert", { table, value });
}

function get(id: unknown, table?: string): Promise<Document | null> {
  return client.query("documents:get", table === undefined ? { id } : { id, table });
}

function list(table: string): Promise<Document[]> {
  return client.query("documents:list", { table });
}

describe("tables", () => {
  test("P-D-1 a table that nobody declared comes into existence with its first document", async () => {
    expect(await list("sprung")).toEqual([]);
    const id = await insert("sprung", { name: "first", anything: [1, { deep: null }] });
    expect(await list("sprung")).toEqual([
      { _id: id, _creationTime: expect.any(Number), name: "first", anything: [1, { deep: null }] },
    ]);
    expect(await client.query("documents:normalize", { table: "sprung", id })).toBe(id);
  });

  test("P-D-1 eight first inserts at once make one table", async () => {
    const ids = await Promise.all(Array.from({ length: 8 }, (_, n) => insert("raced", { n })));
    const documents = await list("raced");
    expect(documents.map(({ _id }) => _id).toSorted()).toEqual(ids.toSorted());
  });

  test("P-D-1 a table made by a mutation that fails does not exist", async () => {
    expect(await failure(client.mutation("documents:insertAndFail", { table: "unborn" }))).toMatch(
      /^Uncaught Error: asked to fail/,
    );
    expect(await list("unborn")).toEqual([]);
    const id = await insert("sprung", { name: "other" });
    expect(await client.query("documents:normalize", { table: "unborn", id })).toBeNull();
  });

  test.each([
    ["1a", "Invalid first character '1' in 1a: Identifiers must start with an alphabetic character or underscore"],
    [
      "a-b",
      "Identifier a-b has invalid character '-': Identifiers can only contain alphanumeric characters or underscores",
    ],
    ["", "Identifier cannot be empty"],
  ])("E-F-9 %j is no name of a table", async (table, reason) => {
    const text = await failure(insert(table, {}));
    expect(text).toContain(`Invalid argument \`table\` for \`db.insert\`: ${reason}`);
  });
});

describe.each(["by id", "by table and id"] as const)("documents %s", (style) => {
  const of = (table: string) => (style === "by id" ? {} : { table });

  test("P-D-2 insert, get, patch, replace and delete", async () => {
    const id = await insert("plain", { a: 1, b: { c: 1, d: 2 }, e: "kept" });
    const created = await get(id, of("plain").table);
    expect(created).toEqual({ _id: id, _creationTime: expect.any(Number), a: 1, b: { c: 1, d: 2 }, e: "kept" });

    // Shallow: objects are replaced, not merged. `undefined` removes.
    await client.mutation("documents:patch", { id, ...of("plain"), value: { b: { c: 3 }, f: null }, unset: ["a"] });
    expect(await get(id, of("plain").table)).toEqual({
      _id: id,
      _creationTime: created?._creationTime,
      b: { c: 3 },
      e: "kept",
      f: null,
    });

    await client.mutation("documents:replace", { id, ...of("plain"), value: { only: 1n } });
    expect(await get(id, of("plain").table)).toEqual({ _id: id, _creationTime: created?._creationTime, only: 1n });

    await client.mutation("documents:remove", { id, ...of("plain") });
    expect(await get(id, of("plain").table)).toBeNull();
  });

  test("P-D-2 replace takes the document's own system fields and no others", async () => {
    const id = await insert("plain", { a: 1 });
    const before = await get(id);
    await client.mutation("documents:replace", { id, ...of("plain"), value: { ...before, a: 2 } });
    expect(await get(id)).toEqual({ ...before, a: 2 });
    const other = await insert("plain", { a: 1 });
    const text = await failure(client.mutation("documents:replace", { id, ...of("plain"), value: { _id: other } }));
    expect(text).toContain(other);
    expect(await get(id)).toEqual({ ...before, a: 2 });
  });

  test.each([
    ["patch", { value: {} }, "Update"],
    ["replace", { value: {} }, "Replace"],
    ["remove", {}, "Delete"],
  ])("E-E-13 P-D-2 %s of a document that is gone", async (name, args, verb) => {
    const id = await insert("plain", {});
    await client.mutation("documents:remove", { id });
    const text = await failure(client.mutation(`documents:${name}`, { id, ...of("plain"), ...args }));
    expect(text).toContain(`Uncaught Error: ${verb} on nonexistent document ID ${id}\n`);
  });
});

describe("ids", () => {
  test("P-D-3 ids are unique and creation times advance within and between transactions", async () => {
    const pairs: string[][] = [];
    for (let n = 0; n < 5; n++) pairs.push(await client.mutation("documents:insertTwo", { table: "timed" }));
    const ids = pairs.flat();
    expect(new Set(ids).size).toBe(10);
    for (const id of ids) expect(id).toMatch(/^[0-9a-z]{31,37}$/);
    const documents = await Promise.all(ids.map((id) => get(id)));
    const times = documents.map((document) => document?._creationTime ?? Number.NaN);
    // Milliseconds of now; two of one transaction differ by the smallest step a double has.
    for (const time of times) expect(Math.abs(time - Date.now())).toBeLessThan(60_000);
    for (let n = 0; n < 10; n += 2) {
      expect(Math.floor(times[n] ?? 0)).toBe(times[n]);
      expect((times[n + 1] ?? 0) - (times[n] ?? 0)).toBeGreaterThan(0);
      expect((times[n + 1] ?? 0) - (times[n] ?? 0)).toBeLessThan(0.001);
    }
    expect((await list("timed")).map(({ _id }) => _id)).toEqual(
      ids.toSorted((a, b) => (times[ids.indexOf(a)] ?? 0) - (times[ids.indexOf(b)] ?? 0) || (a < b ? -1 : 1)),
    );
  });

  test("P-D-4 normalizeId gives the id for its own table and null for everything else", async () => {
    const id = await insert("owners", { name: "a" });
    const normalize = (table: string, text: string) => client.query("documents:normalize", { table, id: text });
    expect(await normalize("owners", id)).toBe(id);
    for (const [table, text] of [
      ["strict", id],
      ["neverMade", id],
      ["owners", "not an id"],
      ["owners", ""],
      ["owners", `${id}0`],
      ["owners", id.toUpperCase()],
    ] as const) {
      expect(await normalize(table, text), `${table} ${text}`).toBeNull();
    }
    expect(await failure(normalize("_storage", id))).toContain(
      "System tables can only be accessed from db.system.normalizeId().",
    );
  });

  test("E-E-8 what is no id is named with its type", async () => {
    expect(await failure(get(5))).toMatch(
      /^Uncaught Error: Invalid argument `id` for `db\.get`, expected string but got 'number': 5\n/,
    );
    expect(await failure(get("abc"))).toContain(
      "Invalid argument `id` for `db.get`: Unable to decode ID: Invalid ID length 3",
    );
    const id = await insert("owners", { name: "a" });
    expect(await failure(get(id, "strict"))).toContain(
      'Invalid argument `id` for `db.get`: expected to be an Id<"strict">, got Id<"owners"> instead.',
    );
  });

  test("E-E-11 P-D-7 unique() gives null for no row, the row for one, and names both of two", async () => {
    const run = freshRun();
    const unique = () => client.query<Document | null>("documents:unique", { run });
    expect(await unique()).toBeNull();
    const ids = [await insert("items", { run, n: 1, text: "" })];
    expect(await unique()).toMatchObject({ _id: ids[0] });
    ids.push(await insert("items", { run, n: 2, text: "" }));
    const text = await failure(unique());
    expect(text).toContain(
      `Uncaught Error: unique() query returned more than one result from table items:\n [${ids.join(", ")}, ...]`,
    );
  });
});

describe("system tables", () => {
  test("P-D-12 _storage and _scheduled_functions are read through db.system and empty at first", async () => {
    for (const table of ["_storage", "_scheduled_functions"]) {
      expect(await client.query("documents:system", { table })).toEqual([]);
    }
  });

  test("E-E-12 system tables are read-only, and neither door opens the other's tables", async () => {
    for (const table of ["_storage", "_scheduled_functions", "_anything"]) {
      expect(await failure(insert(table, {}))).toContain("System tables (prefixed with `_`) are read-only.");
    }
    expect(await failure(list("_storage"))).toContain("System tables can only be accessed from db.system.query().");
    expect(await failure(client.query("documents:system", { table: "owners" }))).toContain(
      "User tables can only be accessed from db.query().",
    );
  });

  test("E-E-12 db.system.get refuses a document of the app", async () => {
    const id = await insert("owners", { name: "a" });
    expect(await failure(client.query("documents:systemGet", { id }))).toContain(
      "User tables cannot be accessed with db.system.",
    );
  });
});

describe("the schema on every write", () => {
  const OF_STRICT =
    'Validator: v.object({kind: v.optional(v.union(v.literal("a"), v.literal("b"))), name: v.string(), owner: v.optional(v.id("owners")), tags: v.optional(v.array(v.string()))})';
  const REFUSED =
    'Uncaught Error: Failed to insert or update a document in table "strict" because it does not match the schema: ';

  test.each([
    [
      "a missing field",
      {},
      `Object is missing the required field \`name\`. Consider wrapping the field validator in \`v.optional(...)\` if this is expected.\n\nObject: {}\n${OF_STRICT}`,
    ],
    [
      "an extra field",
      { name: "a", more: 1 },
      `Object contains extra field \`more\` that is not in the validator.\n\nObject: {more: 1.0, name: "a"}\n${OF_STRICT}`,
    ],
    ["a wrong type", { name: 1 }, "Value does not match validator.\nPath: .name\nValue: 1.0\nValidator: v.string()"],
    [
      "a wrong element",
      { name: "a", tags: ["x", 2n] },
      "Value does not match validator.\nPath: .tags[1]\nValue: 2\nValidator: v.string()",
    ],
  ])("E-B-16 P-D-10 an insert with %s is refused", async (_name, value, reason) => {
    const before = await list("strict");
    expect(await failure(insert("strict", value))).toContain(REFUSED + reason);
    expect(await list("strict")).toEqual(before);
  });

  test("E-B-16 P-D-10 patch and replace are checked as the document they lead to", async () => {
    const id = await insert("strict", { name: "a", kind: "a" });
    const before = await get(id);
    const patch = (value: object, unset: string[] = []) => client.mutation("documents:patch", { id, value, unset });
    expect(await failure(patch({ kind: "c" }))).toContain(REFUSED);
    expect(await failure(patch({}, ["name"]))).toContain(`${REFUSED}Object is missing the required field \`name\`.`);
    expect(await failure(client.mutation("documents:replace", { id, value: { kind: "a" } }))).toContain(REFUSED);
    expect(await get(id)).toEqual(before);
    await patch({ kind: "b" });
    expect(await get(id)).toEqual({ ...before, kind: "b" });
  });

  test("E-B-4 E-B-16 an id of another table does not match v.id", async () => {
    const owner = await insert("owners", { name: "o" });
    const strict = await insert("strict", { name: "a", owner });
    const text = await failure(insert("strict", { name: "b", owner: strict }));
    expect(text).toContain(
      `${REFUSED}Found ID "${strict}" from table \`strict\`, which does not match the table name in validator \`v.id("owners")\`.`,
    );
    expect(text).toContain("Path: .owner");
  });
});

describe("what a mutation sees of its own writes", () => {
  test("P-D-9 inserts, patches and deletes are seen by its own gets and index ranges", async () => {
    const run = freshRun();
    expect(await client.mutation("documents:writeAndRead", { run, fail: false })).toEqual({
      order: ["changed", "kept"],
      gone: null,
      kept: "kept",
    });
  });

  test("P-D-9 a mutation that fails leaves nothing", async () => {
    const run = freshRun();
    const text = await failure(client.mutation("documents:writeAndRead", { run, fail: true }));
    expect(text).toMatch(/^Uncaught Error: asked to fail\n/);
    expect((await list("items")).filter((item) => item["run"] === run)).toEqual([]);
  });
});

describe("serializability", () => {
  test("P-D-9 50 concurrent increments of one counter, its creation included, make 50", async () => {
    const name = freshRun();
    await Promise.all(Array.from({ length: 50 }, () => client.mutation("documents:increment", { name })));
    expect(await client.query("documents:counters", { prefix: name })).toEqual([{ name, value: 50 }]);
  });

  test("P-D-9 the sum of counters stays while units move between them, in every snapshot", async () => {
    const prefix = freshRun();
    const names = ["a", "b", "c", "d"].map((suffix) => `${prefix}${suffix}`);
    for (const name of names) await client.mutation("documents:increment", { name });
    let moving = true;
    const sums: number[] = [];
    const watch = async () => {
      while (moving) {
        const counters = await client.query<{ value: number }[]>("documents:counters", { prefix });
        sums.push(counters.reduce((sum, { value }) => sum + value, 0));
      }
    };
    const watching = watch();
    await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        client.mutation("documents:move", { from: names[n % 4], to: names[(n * 3 + 1) % 4] }),
      ),
    );
    moving = false;
    await watching;
    expect(sums.length).toBeGreaterThan(1);
    expect(new Set(sums)).toEqual(new Set([4]));
  });
});
