import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { ApiClient, valueOf } from "../support/api-client.ts";
import { startBackend, type TestBackend } from "../support/backend.ts";
import { ROOT } from "../support/paths.ts";

let backend: TestBackend;
let api: ApiClient;

beforeAll(async () => {
  backend = await startBackend();
  api = new ApiClient(backend);
});
afterAll(() => backend?.stop());

type Files = Readonly<Record<string, string>>;

/** As the command line of npm package 1.0 to 1.25 makes them. */
async function bundle(path: string, contents: string) {
  const built = await build({
    stdin: { contents, loader: "ts", resolveDir: ROOT },
    bundle: true,
    write: false,
    format: "esm",
    target: "esnext",
    conditions: ["convex", "module"],
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return { path, source: built.outputFiles[0]?.text ?? "", environment: "isolate" };
}

async function post(path: string, body: object): Promise<{ status: number; body: unknown }> {
  const response = await api.post(path, { ...body, adminKey: backend.adminKey });
  return { status: response.status, body: await response.json() };
}

const prepared = z.object({ added: z.array(z.unknown()), dropped: z.array(z.unknown()), schemaId: z.string() });
const state = z.object({ schemaState: z.object({ state: z.string(), error: z.string().optional() }) });

async function prepareSchema(tables: string, dryRun = false) {
  const source = `import { defineSchema, defineTable } from "convex/server"; import { v } from "convex/values";
    export default defineSchema({ ${tables} });`;
  const answer = await post("/api/prepare_schema", { bundle: await bundle("schema.js", source), dryRun });
  expect(answer.status).toBe(200);
  return prepared.parse(answer.body);
}

/** The client asks until it is no longer pending. */
async function schemaState(schemaId: string) {
  for (;;) {
    const response = await fetch(new URL(`/api/schema_state/${schemaId}`, backend.url), {
      headers: { authorization: `Convex ${backend.adminKey}` },
    });
    const { schemaState: found } = state.parse(await response.json());
    if (found.state !== "pending") return found;
  }
}

async function pushConfig(files: Files, more: object = {}) {
  const modules = await Promise.all(Object.entries(files).map(([path, source]) => bundle(path, source)));
  const config = { functions: "convex/" };
  return await post("/api/push_config", { config, modules, nodeDependencies: [], udfServerVersion: "1.17.4", ...more });
}

const NOTES = `
  import { queryGeneric as query, mutationGeneric as mutation } from "convex/server";
  export const list = query(async ({ db }) =>
    (await db.query("notes").withIndex("by_text").collect()).map(({ text }) => text));
  export default mutation(async ({ db }, text) => { await db.insert("notes", { text }); });
  export const later = mutation(async () => await Convex.asyncSyscall("1.0/schedule", JSON.stringify(
    { name: "notes:arrived", ts: Date.now() / 1000, args: [{ text: "scheduled" }] })));
  export const arrived = mutation(async ({ db }, { text }) => { await db.insert("notes", { text }); });
`;
const NOTES_TABLE = `notes: defineTable({ text: v.string() }).index("by_text", ["text"])`;

describe("pushes of npm package versions before 1.26", () => {
  test("DP42 P-I-1 schema first, then functions, which answer calls with positional arguments", async () => {
    const { added, dropped, schemaId } = await prepareSchema(NOTES_TABLE);
    expect({ added, dropped }).toEqual({
      added: [
        { table: "notes", name: "by_text", fields: ["text", "_creationTime"], backfill: { state: "in_progress" } },
      ],
      dropped: [],
    });
    expect(await schemaState(schemaId)).toEqual({ state: "validated" });
    expect(await pushConfig({ "notes.js": NOTES }, { schemaId })).toEqual({ status: 200, body: {} });
    const sent = await api.post("/api/mutation", { path: "notes", args: ["first"], format: "json" });
    expect(await sent.json()).toMatchObject({ status: "success" });
    expect(await valueOf(api.query("notes:list"))).toEqual(["first"]);
  });

  test("P-I-1 P-S-1 arguments of a scheduled function may come as a list of one", async () => {
    await valueOf(api.mutation("notes:later"));
    await expect.poll(() => valueOf(api.query("notes:list")), { timeout: 30_000 }).toEqual(["first", "scheduled"]);
  });

  test("P-I-1 what is deployed is told in hashes, for get_config and get_config_hashes", async () => {
    const { body } = await post("/api/get_config_hashes", { version: "1.17.4" });
    expect(body).toMatchObject({ config: { functions: "convex/" }, udfServerVersion: "1.17.4" });
    expect(body).toMatchObject({ moduleHashes: [{ path: "notes.js", environment: "isolate" }] });
    expect((await post("/api/get_config", { version: "1.0.3" })).body).toMatchObject({ modules: [] });
  });

  test("P-I-1 P-D-10 documents that break the schema fail its state, and nothing changes", async () => {
    const { schemaId } = await prepareSchema("notes: defineTable({ text: v.number() })");
    const failed = await schemaState(schemaId);
    expect(failed.state).toBe("failed");
    expect(failed.error).toMatch(/^Document with ID ".*" in table "notes" does not match the schema: Value does not/);
    const pushed = await pushConfig({ "notes.js": NOTES }, { schemaId });
    expect(pushed).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining("does not match the schema") },
    });
    expect(await valueOf(api.query("notes:list"))).toEqual(["first", "scheduled"]);
  });

  test("P-I-1 a dry run says what would change and changes nothing", async () => {
    const { added, dropped, schemaId } = await prepareSchema("notes: defineTable({ text: v.string() })", true);
    expect([added.length, dropped.length]).toEqual([0, 1]);
    expect(await schemaState(schemaId)).toEqual({ state: "validated" });
    expect(await valueOf(api.query("notes:list"))).toEqual(["first", "scheduled"]);
  });

  test("P-I-1 a module that throws is refused with its error", async () => {
    const { status, body } = await pushConfig({ "bad.js": 'throw new Error("at import"); export {};' });
    expect(status).toBe(400);
    expect(body).toMatchObject({
      code: "InvalidModules",
      message: expect.stringContaining("Uncaught Error: at import"),
    });
  });

  test("P-I-1 P-A-1 providers may stand in convex.json, and a push without a schema drops it", async () => {
    const config = { functions: "convex/", authInfo: [{ domain: "https://issuer.example", applicationID: "app" }] };
    const functions = NOTES.replace('.withIndex("by_text")', "");
    expect(await pushConfig({ "notes.js": functions }, { config })).toEqual({ status: 200, body: {} });
    expect(await valueOf(api.query("notes:list"))).toEqual(["first", "scheduled"]);
    const token = ['{"alg":"RS256"}', '{"iss":"https://other.example"}', "x"]
      .map((part) => Buffer.from(part).toString("base64url"))
      .join(".");
    const refused = await api.post(
      "/api/query",
      { path: "notes:list", args: {} },
      { authorization: `Bearer ${token}` },
    );
    expect(await refused.text()).toContain("https://issuer.example");
  });

  test("P-I-1 all of it needs a key", async () => {
    for (const path of ["/api/prepare_schema", "/api/push_config", "/api/get_config"]) {
      expect((await api.post(path, { adminKey: "nobody|00" })).status).toBe(401);
    }
    expect((await fetch(new URL("/api/schema_state/x", backend.url))).status).toBe(403);
  });
});
