import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { spawnConvex } from "../../support/convex-cli.ts";
import { ConvexApp, schemaFile } from "../../support/convex-app.ts";
import { failure, FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";

/** Text and vector indexes pushed by the official CLI over documents that are there. */

interface Hit {
  readonly _id: string;
}

const data = mkdtempSync(join(tmpdir(), "convection-search-"));
let backend: TestBackend;
let client: FunctionClient;
let app: ConvexApp;

const fixture = (file: string): string => readFileSync(join(FIXTURES, "search/convex", file), "utf8");

beforeAll(async () => {
  backend = await startBackend({ data });
  client = new FunctionClient(backend.url);
  app = new ConvexApp({ "convex/texts.ts": fixture("texts.ts"), "convex/vectors.ts": fixture("vectors.ts") });
  await app.deploy(backend);
});

afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
  rmSync(data, { recursive: true, force: true });
});

const VALUES = "({ body: v.any(), vector: v.any(), channel: v.optional(v.any()) })";
const TEXT = 'searchIndex("by_body", { searchField: "body" })';
const VECTOR = 'vectorIndex("by_vector", { vectorField: "vector", dimensions: 3 })';

/** Returns what the CLI printed. */
async function pushNotes(indexes: string): Promise<string> {
  app.write({ "convex/schema.ts": schemaFile({ notes: VALUES + indexes }) });
  return (await app.deploy(backend, "--skip-large-indexes-check")).stderr;
}

async function refusedNotes(table: string): Promise<string> {
  app.write({ "convex/schema.ts": schemaFile({ notes: table }) });
  return await app.failedDeploy(backend);
}

function insert(count: number, from = 0): Promise<string[]> {
  const documents = Array.from({ length: count }, (_, n) => ({
    body: `word text${(from + n) % 7}`,
    vector: [1, (from + n) / 1000, 0],
  }));
  return client.mutation("texts:insert", { documents });
}

function texts(text: string, more: object = {}): Promise<Hit[]> {
  return client.query("texts:search", { text, ...more });
}

function nearest(limit = 10): Promise<Hit[]> {
  return client.action("vectors:search", { table: "notes", vector: [1, 0, 0], limit });
}

test("P-T-1 P-V-1 new indexes over old documents answer right after the push, and with what is written then", async () => {
  const ids = await insert(1000);
  const printed = await pushNotes(`.${TEXT}.${VECTOR}`);
  expect(printed).toContain("[+] notes.by_body");
  expect(printed).toContain("[+] notes.by_vector");
  expect(await texts("text3")).toHaveLength(143);
  expect((await nearest(3)).map(({ _id }) => _id)).toEqual(ids.slice(0, 3));
  const [fresh] = await client.mutation<string[]>("texts:insert", {
    documents: [{ body: "text3 and more", vector: [1, 0, 0.0005] }],
  });
  expect(await texts("text3")).toHaveLength(144);
  expect((await nearest(2)).map(({ _id }) => _id)).toEqual([ids[0], fresh]);
});

test("P-T-1 P-V-1 a removed index is gone, and comes back complete; another definition is another index", async () => {
  await pushNotes("");
  expect(await failure(texts("text3"))).toContain("Index notes.by_body not found.");
  expect(await failure(nearest())).toContain("Index notes.by_vector not found.");
  await client.mutation("texts:insert", { documents: [{ body: "text3 meanwhile", vector: [0, 0, 1], channel: "c" }] });
  await pushNotes(
    '.searchIndex("by_body", { searchField: "body", filterFields: ["channel"] }).vectorIndex("by_vector", { vectorField: "vector", dimensions: 3, filterFields: ["channel"] })',
  );
  expect(await texts("text3")).toHaveLength(145);
  expect(await texts("text3", { eq: [["channel", "c"]] })).toHaveLength(1);
  expect(
    await client.action<Hit[]>("vectors:search", {
      table: "notes",
      vector: [1, 0, 0],
      filter: ["eq", "channel", "c"],
    }),
  ).toHaveLength(1);
});

test("P-T-1 P-V-1 staged indexes are built and refuse queries until they are enabled", async () => {
  const staged = (definition: string): string => definition.replace(" })", ", staged: true })");
  await pushNotes(`.${staged(TEXT).replace("by_body", "late")}.${staged(VECTOR).replace("by_vector", "lateVector")}`);
  const text = "is currently staged and not available to query until it is enabled.";
  expect(await failure(texts("text3", { index: "late" }))).toContain(`Index notes.late ${text}`);
  const args = { table: "notes", index: "lateVector", vector: [1, 0, 0] };
  expect(await failure(client.action("vectors:search", args))).toContain(`Index notes.lateVector ${text}`);
  await insert(10, 1000);
  await pushNotes(`.${TEXT.replace("by_body", "late")}.${VECTOR.replace("by_vector", "lateVector")}`);
  expect(await texts("word", { index: "late", take: 1024 })).toHaveLength(1010);
  expect(await client.action<Hit[]>("vectors:search", { ...args, limit: 256 })).toHaveLength(256);
});

test("P-T-1 P-V-1 fields that can't hold a vector, do not exist, or lie in objects", async () => {
  const numbers = "({ body: v.number(), vector: v.string() })";
  expect(await refusedNotes(`${numbers}.${VECTOR}`)).toContain(
    'In table "notes" the vector index "by_vector" is invalid because it references the field "vector" that is neither an array of float64 or optional array of float64.',
  );
  expect(await refusedNotes(`${numbers}.searchIndex("by_body", { searchField: "body" })`)).toContain(
    'In table "notes" the search index "by_body" is invalid because it references the field "body" that is neither a string or optional string.',
  );
  expect(await refusedNotes(`${numbers}.searchIndex("by_title", { searchField: "title" })`)).toContain(
    'In table "notes" the index "by_title" is invalid because it references the field "title" that does not exist.',
  );
  for (const dimensions of [1, 4097]) {
    const index = VECTOR.replace("3", `${dimensions}`);
    expect(await refusedNotes(VALUES + "." + index)).toContain(`Dimensions ${dimensions} must be between 2 and 4096.`);
  }
});

test("P-T-1 P-V-3 kill -9 while indexes are built and written to: afterwards nothing is half-indexed", async () => {
  await pushNotes("");
  await insert(3000, 2000);
  app.write({ "convex/schema.ts": schemaFile({ notes: `${VALUES}.${TEXT}.${VECTOR}` }) });
  const deploy = ["deploy", "--typecheck", "disable", "--skip-large-indexes-check"];
  const push = spawnConvex(app.path, backend, deploy);
  await push.until("stderr", /Pushing code/);
  for (let n = 0; n < 12; n++) await insert(20, 5000 + n * 20);
  await backend.kill();
  await push.kill();
  backend = await startBackend({ data });
  client = new FunctionClient(backend.url);
  await app.deploy(backend, "--skip-large-indexes-check");
  const all = await client.query<Hit[]>("texts:all");
  const found = new Set<string>();
  for (let n = 0; n < 7; n++) {
    for (const { _id } of await texts(`text${n}`, { take: 1024 })) found.add(_id);
  }
  expect(found.size).toBe(all.filter(({ _id }) => found.has(_id)).length);
  expect(all.length - found.size).toBe(0);
  expect(new Set((await nearest(256)).map(({ _id }) => _id)).size).toBe(256);
  const [id] = await client.mutation<string[]>("texts:insert", { documents: [{ body: "last", vector: [1, 0, 0] }] });
  expect((await texts("last")).map(({ _id }) => _id)).toEqual([id]);
  expect((await nearest(2)).map(({ _id }) => _id)).toContain(id);
});
