import { join } from "node:path";
import { ConvexError } from "convex/values";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AdminKeys } from "../../src/auth/admin-key.ts";
import { startBackend, type TestBackend } from "../support/backend.ts";
import { AppCopy } from "../support/convex-cli.ts";
import { Dashboard, type Page } from "../support/dashboard.ts";
import { FIXTURES } from "../support/paths.ts";

/** What the dashboard asks over its socket and over HTTP, by the clients that it asks with. */

const SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const FRONTEND = "_system/frontend";

let backend: TestBackend;
let app: AppCopy;
let dashboard: Dashboard;
let readOnlyKey: string;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "system-app"));
  backend = await startBackend({ app: app.path, env: { CONVECTION_SECRET: SECRET } });
  readOnlyKey = await (await AdminKeys.create("convection", [SECRET])).issue({ readOnly: true });
  dashboard = new Dashboard(backend.url, backend.adminKey);
});

afterAll(async () => {
  await dashboard?.[Symbol.asyncDispose]();
  await backend?.stop();
  app?.[Symbol.dispose]();
});

interface Row {
  readonly _id: string;
  readonly _creationTime: number;
  readonly [field: string]: unknown;
}

function ask<T>(name: string, args: Record<string, unknown> = {}): Promise<T> {
  return dashboard.query<T>(`${FRONTEND}/${name}`, args);
}

function change<T = unknown>(name: string, args: Record<string, unknown> = {}): Promise<T> {
  return dashboard.mutation<T>(`${FRONTEND}/${name}`, args);
}

function request(path: string, body?: unknown, key = backend.adminKey): Promise<Response> {
  return fetch(`${backend.url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json", authorization: `Convex ${key}`, "convex-client": "dashboard-0.0.0" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

function filtered(table: string, filters: object | null, more: object = {}): Record<string, unknown> {
  const text = filters === null ? null : Buffer.from(JSON.stringify(filters)).toString("base64");
  return { table, filters: text, componentId: null, paginationOpts: { cursor: null, numItems: 50, id: 1, ...more } };
}

async function documents(table: string, filters: object | null = null): Promise<Row[]> {
  return (await ask<Page<Row>>("paginatedTableDocuments", filtered(table, filters))).page;
}

describe("data", () => {
  test("P-X-4 SYS8 documents are added, patched, replaced and deleted, and every write shows in the open page", async () => {
    await change("createTable", { table: "notes", componentId: null });
    expect(await documents("notes")).toEqual([]);
    const page = dashboard.watch<Page<Row>>(`${FRONTEND}/paginatedTableDocuments`, filtered("notes", null));
    const shows = async (texts: readonly unknown[]) =>
      (await page.until(({ page: rows }) => JSON.stringify(rows.map(({ text }) => text)) === JSON.stringify(texts)))
        .page;
    expect(await change("addDocument", { table: "notes", documents: [{ text: "a", n: 1n }, { text: "b" }] })).toEqual({
      success: true,
    });
    const [b, a] = await shows(["b", "a"]);
    expect(a?.["n"]).toBe(1n);
    await change("patchDocumentsFields", { table: "notes", ids: [a?._id], fields: { text: "A", n: UNSET } });
    const [, patched] = await shows(["b", "A"]);
    expect(patched).not.toHaveProperty("n");
    await change("replaceDocument", { id: b?._id, document: { text: "B" } });
    await shows(["B", "A"]);
    await change("patchDocumentsFields", { table: "notes", fields: { text: "same" } });
    await shows(["same", "same"]);
    expect(await ask("tableSize", { tableName: "notes" })).toBe(2);
    await change("deleteDocuments", { toDelete: [{ id: a?._id, tableName: "notes" }] });
    await shows(["same"]);
    expect(await change("replaceDocument", { id: a?._id, document: {} })).toEqual({
      success: false,
      error: "Document does not exist.",
    });
    expect(await ask("getById", { id: b?._id })).toMatchObject({ text: "same" });
    const ids = [a?._id, b?._id, b?._id, "nonsense"].map((id, at) => ({
      id,
      tableName: at === 2 ? "messages" : "notes",
    }));
    expect(await ask("listById", { ids })).toEqual([null, expect.objectContaining({ _id: b?._id }), null, null]);
    expect(await change("clearTablePage", { tableName: "notes", cursor: null })).toMatchObject({
      deleted: 1,
      hasMore: false,
    });
    await shows([]);
  });

  test("SYS8 what the schema refuses is a ConvexError with its text, and nothing of the batch is stored", async () => {
    const good = { channel: "schema", body: "good" };
    const adding = change("addDocument", { table: "messages", documents: [good, { channel: 5 }] });
    const error = await adding.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ConvexError);
    expect((error as ConvexError<string>).data).toContain("does not match the schema");
    expect(await documents("messages", { clauses: [{ field: "channel", op: "eq", value: "schema" }] })).toEqual([]);
  });

  test("SYS9 filters leave what they say, by field, type, index and search for one id", async () => {
    const rows = [
      { k: "x", n: 1 },
      { k: "x", n: 2n },
      { k: "y", n: null },
      { k: "z", at: { deep: true } },
    ];
    await change("addDocument", { table: "filtered", documents: rows });
    const keys = async (...clauses: object[]) =>
      (await documents("filtered", { clauses })).map(({ k, n }) => `${String(k)} ${String(n)}`).toReversed();
    expect(await keys()).toEqual(["x 1", "x 2", "y null", "z undefined"]);
    expect(await keys({ field: "k", op: "eq", value: "x" })).toEqual(["x 1", "x 2"]);
    expect(await keys({ field: "k", op: "eq", value: "x", enabled: false })).toHaveLength(4);
    expect(await keys({ field: "k", op: "anyOf", value: ["y", "z"] })).toEqual(["y null", "z undefined"]);
    expect(await keys({ field: "k", op: "noneOf", value: ["y", "z"] })).toEqual(["x 1", "x 2"]);
    expect(await keys({ field: "n", op: "type", value: "bigint" })).toEqual(["x 2"]);
    expect(await keys({ field: "n", op: "type", value: "unset" })).toEqual(["z undefined"]);
    expect(await keys({ field: "n", op: "notype", value: "number" }, { field: "k", op: "lt", value: "z" })).toEqual([
      "x 2",
      "y null",
    ]);
    expect(await keys({ field: "at.deep", op: "eq", value: true })).toEqual(["z undefined"]);
    const [one] = await documents("filtered");
    expect(await documents("filtered", { clauses: [{ field: "_id", op: "eq", value: one?._id }] })).toEqual([one]);
    expect(await documents("filtered", { clauses: [{ field: "n", op: "eq", value: { $integer: 5 } }] })).toEqual([
      { filter: 0, error: 'Invalid value: {"$integer":5}.' },
    ]);

    await change("addDocument", {
      table: "messages",
      documents: ["p", "q", "r"].map((body) => ({ channel: "indexed", body })),
    });
    const index = { name: "by_channel", clauses: [{ type: "indexEq", enabled: true, value: "indexed" }] };
    const bodies = async (filters: object) => (await documents("messages", filters)).map(({ body }) => body);
    expect(await bodies({ clauses: [], index, order: "asc" })).toEqual(["p", "q", "r"]);
    expect(await bodies({ clauses: [{ field: "body", op: "gte", value: "q" }], index })).toEqual(["r", "q"]);
    const range = {
      type: "indexRange",
      enabled: true,
      lowerOp: "gt",
      lowerValue: "indexe",
      upperOp: "lt",
      upperValue: "j",
    };
    expect(await bodies({ clauses: [], index: { name: "by_channel", clauses: [range] } })).toEqual(["r", "q", "p"]);
    expect(await documents("messages", { clauses: [], index: { ...index, name: "by_nothing" } })).toEqual([
      { filter: -1, error: "Index by_nothing does not exist." },
    ]);
  });

  test("SYS9 pages of an open table keep their borders when documents come in front of them", async () => {
    await change("addDocument", { table: "paged", documents: [1, 2, 3, 4].map((n) => ({ n })) });
    const numbers = ({ page }: Page<Row>) => page.map(({ n }) => n);
    const first = dashboard.watch<Page<Row>>(
      `${FRONTEND}/paginatedTableDocuments`,
      filtered("paged", null, { numItems: 2 }),
    );
    const { continueCursor } = await first.until(({ page }) => page.length === 2);
    const second = filtered("paged", null, { numItems: 2, cursor: continueCursor });
    expect(numbers(await ask("paginatedTableDocuments", second))).toEqual([2, 1]);
    await change("addDocument", { table: "paged", documents: [{ n: 5 }] });
    expect(numbers(await first.until(({ page }) => page.length === 3))).toEqual([5, 4, 3]);
  });

  test("SYS8 the component that the arguments name is the one that is read and written", async () => {
    await change("addDocument", { table: "counts", componentId: "counter", documents: [{ name: "mine", n: 4 }] });
    const counts = await ask<Page<Row>>("paginatedTableDocuments", {
      ...filtered("counts", null),
      componentId: "counter",
    });
    expect(counts.page).toMatchObject([{ name: "mine", n: 4 }]);
    expect(await documents("counts")).toEqual([]);
    expect(await ask("tableSize", { tableName: "counts", componentId: "counter" })).toBe(1);
    expect(Object.values(await ask<object>("getTableMapping", { componentId: "counter" }))).toContain("counts");
    await expect(ask("getTableMapping", { componentId: "nowhere" })).rejects.toThrow(
      'There is no component with the id "nowhere".',
    );
    const shapes = await (await request("/api/shapes2?component=counter")).json();
    expect(Object.keys(shapes as object)).toEqual(["counts"]);
  });

  test("SYS3 indexes say what they are and how far they are", async () => {
    const found = { name: "by_channel", staged: false, fields: ["channel"], backfill: { state: "done" } };
    expect(await ask("indexes", { tableName: "messages", tableNamespace: null })).toEqual([found]);
    expect(await ask("indexes", { tableName: "none", tableNamespace: null })).toBeNull();
    expect(await ask("indexes:backfilling")).toEqual([]);
  });
});

describe("functions", () => {
  test("P-X-4 SYS3 modules come with their functions, and with the source as it was written", async () => {
    type Module = { readonly functions: readonly object[] };
    const all = await ask<[string | null, [string, Module][]][]>("modules:listForAllComponents");
    expect(all.map(([id]) => id)).toEqual([null, "counter"]);
    const modules = new Map(all[0]?.[1]);
    expect(modules.get("messages.js")?.functions).toContainEqual({
      name: "hidden",
      udfType: "Query",
      visibility: { kind: "internal" },
      argsValidator: JSON.stringify({ type: "object", value: {} }),
    });
    expect(modules.get("http.js")?.functions).toContainEqual(
      expect.objectContaining({ name: "GET /hello", udfType: "HttpAction" }),
    );
    expect(await ask("modules:getSourceCode", { path: "env.js" })).toContain('process.env["GREETING"]');
    expect(await ask("modules:getSourceCode", { path: "counts.js", componentId: "counter" })).toContain("adding");
    expect(await ask("modules:getSourceCode", { path: "nothing.js" })).toBeNull();
  });

  test("P-X-4 functions run as whom the dashboard says", async () => {
    const identity = { issuer: "https://issuer.test", subject: "ada", name: "Ada" };
    await using ada = new Dashboard(backend.url, backend.adminKey, identity);
    expect(await ada.query("jobs:who")).toBe("Ada");
    expect(await dashboard.query("jobs:who")).toBeNull();
    // Whoever acts as a user is an admin still.
    expect(await ada.query(`${FRONTEND}/getVersion`)).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe("schedules", () => {
  test("P-X-4 scheduled functions show while they wait, and are cancelled", async () => {
    type Job = { readonly _id: string; readonly udfPath: string };
    const args = { componentId: null, paginationOpts: { cursor: null, numItems: 10, id: 0 } };
    const jobs = dashboard.watch<Page<Job>>(`${FRONTEND}/paginatedScheduledJobs`, args);
    const id = await dashboard.mutation<string>("jobs:later", { minutes: 60 });
    const { page } = await jobs.until(({ page: found }) => found.length === 1);
    expect(page).toMatchObject([{ _id: id, udfPath: "jobs.js:work", state: { type: "pending" } }]);
    expect((await request("/api/cancel_job", { id, componentId: null })).status).toBe(200);
    await jobs.until(({ page: found }) => found.length === 0);
  });
});

describe("files", () => {
  test("P-X-4 files are uploaded, listed with addresses that work, and deleted", async () => {
    const upload = async (text: string): Promise<string> => {
      const url = await change<string>("fileStorageV2:generateUploadUrl", { componentId: null });
      const response = await fetch(url, { method: "POST", headers: { "content-type": "text/plain" }, body: text });
      return ((await response.json()) as { storageId: string }).storageId;
    };
    const [one, two, three] = [await upload("one"), await upload("two"), await upload("three")];
    const list = dashboard.watch<Page<Row>>(`${FRONTEND}/fileStorageV2:fileMetadata`, {
      componentId: null,
      filters: { order: "asc" },
      paginationOpts: { cursor: null, numItems: 10, id: 0 },
    });
    const { page } = await list.until(({ page: found }) => found.length === 3);
    expect(page.map(({ _id }) => _id)).toEqual([one, two, three]);
    expect(page[1]).toMatchObject({ contentType: "text/plain", size: 3 });
    expect(await (await fetch(String(page[1]?.["url"]))).text()).toBe("two");
    expect(await ask("fileStorageV2:numFiles")).toBe(3);
    expect(await ask("fileStorageV2:getFile", { storageId: two })).toEqual(page[1]);
    const late = {
      filters: { minCreationTime: page[2]?._creationTime },
      paginationOpts: { cursor: null, numItems: 10 },
    };
    expect((await ask<Page<Row>>("fileStorageV2:fileMetadata", late)).page).toHaveLength(1);
    await change("fileStorageV2:deleteFile", { storageId: one, componentId: null });
    await change("fileStorageV2:deleteFiles", { storageIds: [two, three] });
    await list.until(({ page: found }) => found.length === 0);
    expect((await fetch(String(page[1]?.["url"]))).status).toBe(404);
    expect(await ask("fileStorageV2:getFile", { storageId: two })).toBeNull();
  });
});

describe("settings", () => {
  test("P-X-4 environment variables are listed as they change", async () => {
    const variables = dashboard.watch<{ name: string; value: string }[]>(`${FRONTEND}/listEnvironmentVariables`);
    const changes = [{ name: "DASHBOARD", value: "yes" }];
    expect((await request("/api/update_environment_variables", { changes })).status).toBe(200);
    const found = await variables.until((list) => list.length === 1);
    expect(found).toEqual([{ _id: "DASHBOARD", _creationTime: 0, name: "DASHBOARD", value: "yes" }]);
    await request("/api/update_environment_variables", { changes: [{ name: "DASHBOARD", value: null }] });
    await variables.until((list) => list.length === 0);
  });

  test("SYS3 addresses, version and what there is none of", async () => {
    expect(await ask("convexCloudUrl")).toBe(backend.url);
    expect(await ask("convexSiteUrl")).toBe(backend.siteUrl);
    expect(await ask("node:version")).toBeNull();
    expect(await ask("listAuthProviders")).toEqual([]);
    expect(await ask("listConfiguredSinks")).toEqual([]);
    expect(await ask("snapshotImport:list")).toEqual([]);
    expect(await ask("latestExport")).toBeNull();
  });
});

describe("rights", () => {
  test("SYS8 a read-only key reads and changes nothing; without one there is nothing to be found", async () => {
    await using reader = new Dashboard(backend.url, readOnlyKey);
    const adding = { table: "secret", documents: [{ a: 1 }] };
    await expect(reader.mutation(`${FRONTEND}/addDocument`, adding)).rejects.toThrow("this admin key is read-only");
    expect(
      (await reader.query<Page<Row>>(`${FRONTEND}/paginatedTableDocuments`, filtered("secret", null))).page,
    ).toEqual([]);
    await using nobody = new Dashboard(backend.url, null);
    await expect(nobody.mutation(`${FRONTEND}/addDocument`, adding)).rejects.toThrow("Could not find public function");
    await expect(nobody.query(`${FRONTEND}/getVersion`)).rejects.toThrow("Could not find public function");
    expect(await documents("secret")).toEqual([]);
    const overHttp = await request("/api/function", { path: `${FRONTEND}/addDocument`, args: adding }, readOnlyKey);
    expect(overHttp.status).toBe(403);
    const allowed = await request("/api/function", { path: `${FRONTEND}/addDocument`, args: adding });
    expect(await allowed.json()).toMatchObject({ status: "success", value: { success: true } });
    expect(await documents("secret")).toMatchObject([{ a: 1 }]);
  });
});

/** How the dashboard asks for a field to be removed. */
const UNSET = "__CONVEX_PLACEHOLDER_undefined_for_this_test";
