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

  test("SYS8 what the schema refuses of a change is a ConvexError with its text, and nothing of it is stored", async () => {
    const [one, two] = [
      { channel: "schema", body: "one" },
      { channel: "schema", body: "two" },
    ];
    await change("addDocument", { table: "messages", documents: [one, two] });
    const inChannel = { clauses: [{ field: "channel", op: "eq", value: "schema" }], order: "asc" };
    const ids = (await documents("messages", inChannel)).map(({ _id }) => _id);
    const patching = change("patchDocumentsFields", { table: "messages", ids, fields: { answers: "no id" } });
    const error = await patching.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ConvexError);
    expect((error as ConvexError<string>).data).toContain("does not match the schema");
    expect(await documents("messages", inChannel)).toMatchObject([one, two]);
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
    const search = { name: "by_words", search: "indexed", clauses: [{ field: "body", enabled: true, value: "q" }] };
    expect(await bodies({ clauses: [], index: search })).toEqual(["q"]);
    expect(await documents("messages", { clauses: [], index: { ...search, name: "by_channel" } })).toEqual([
      { filter: -1, error: "Index by_channel does not exist." },
    ]);
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
    await expect(ask("getTableMapping", { componentId: "nowhere" })).rejects.toThrow("Component nowhere not found.");
    const shapes = await (await request("/api/shapes2?component=counter")).json();
    expect(Object.keys(shapes as object)).toEqual(["counts"]);
  });

  test("SYS10 a table that the schema leaves alone is deleted whole, and nothing of it shows any more", async () => {
    await change("addDocument", { table: "doomed", documents: [{ n: 1 }, { n: 2 }] });
    const page = dashboard.watch<Page<Row>>(`${FRONTEND}/paginatedTableDocuments`, filtered("doomed", null));
    const mapping = dashboard.watch<Record<string, string>>(`${FRONTEND}/getTableMapping`);
    await page.until(({ page: rows }) => rows.length === 2);
    expect((await request("/api/delete_tables", { tableNames: ["doomed"], componentId: null })).status).toBe(200);
    await page.until(({ page: rows }) => rows.length === 0);
    await mapping.until((names) => !Object.values(names).includes("doomed"));
    expect(await ask("tableSize", { tableName: "doomed" })).toBe(0);
    expect(Object.keys((await (await request("/api/shapes2")).json()) as object)).not.toContain("doomed");
    await change("addDocument", { table: "doomed", documents: [{ n: 3 }] });
    expect(await documents("doomed")).toMatchObject([{ n: 3 }]);

    for (const [tableNames, code] of [
      [["doomed", "messages"], "TableInSchema"],
      [["_storage"], "SystemTableError"],
    ] as const) {
      const refused = await request("/api/delete_tables", { tableNames, componentId: null });
      expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([400, code]);
    }
    expect(await documents("doomed")).toHaveLength(1);
  });

  test("SYS3 indexes say what they are and how far they are", async () => {
    const found = { name: "by_channel", staged: false, fields: ["channel"], backfill: { state: "done" } };
    const fields = { searchField: "channel", filterFields: ["body"] };
    const listed = await ask<object[]>("indexes", { tableName: "messages", tableNamespace: null });
    expect(listed).toHaveLength(2);
    expect(listed).toContainEqual(found);
    expect(listed).toContainEqual({ name: "by_words", staged: false, fields, backfill: { state: "done" } });
    expect(await ask("indexes", { tableName: "none", tableNamespace: null })).toBeNull();
    expect(await ask("indexes:backfilling")).toEqual([]);
    const { indexes } = (await (await request("/api/get_indexes")).json()) as { indexes: object[] };
    expect(indexes).toContainEqual({
      table: "messages",
      name: "by_channel",
      fields: ["channel"],
      backfill: { state: "done" },
    });
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
    const overHttp = await request("/api/get_source_code?path=counts.js&component=counter");
    expect(await overHttp.json()).toContain("adding");
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

describe("charts", () => {
  const window = (seconds: number, buckets: number): string => {
    const end = Math.ceil(Date.now() / 1000) + 1;
    const at = (secs: number) => ({ secs_since_epoch: secs, nanos_since_epoch: 0 });
    return encodeURIComponent(JSON.stringify({ start: at(end - seconds), end: at(end), num_buckets: buckets }));
  };
  type Series = [{ secs_since_epoch: number }, number | null][];
  const metric = async <T>(path: string): Promise<T> =>
    (await request(`/api/app_metrics/${path}`)).json() as Promise<T>;

  test("MET1 charts count what the function log holds, and say nothing of what it never held", async () => {
    const seen = await request("/api/stream_function_logs?cursor=0");
    const { newCursor } = (await seen.json()) as { newCursor: number };
    await dashboard.query("log:levels");
    await expect(dashboard.query("log:fails")).rejects.toThrow("it failed");
    let cursor = newCursor;
    const finished = new Set<string>();
    while (!finished.has("log:fails") || !finished.has("log:levels")) {
      const polled = await request(`/api/stream_udf_execution?cursor=${cursor}`);
      const batch = (await polled.json()) as { entries: { identifier: string }[]; newCursor: number };
      for (const { identifier } of batch.entries) finished.add(identifier.replace(".js", ""));
      cursor = batch.newCursor;
    }

    const calls = await metric<Series>(
      `udf_rate?metric=invocations&path=log:fails&udfType=Query&window=${window(3600, 1)}`,
    );
    expect(calls).toEqual([[expect.objectContaining({ nanos_since_epoch: 0 }), 1 / 3600]]);
    const failed = await metric<[string, Series][]>(`failure_percentage_top_k?k=1&window=${window(3600, 1)}`);
    expect(failed.map(([name, [bucket]]) => [name, bucket?.[1]])).toEqual([
      [expect.stringMatching(/^log(.js)?:fails$/), 100],
      ["_rest", expect.any(Number)],
    ]);
    const [[p50, latencies] = []] = await metric<[number, Series][]>(
      `latency_percentiles?percentiles=[50,99]&path=log:levels&udfType=Query&window=${window(3600, 2)}`,
    );
    expect([p50, latencies?.map(([, seconds]) => typeof seconds)]).toEqual([50, ["object", "number"]]);
    expect(await metric<Series>(`table_rate?name=messages&metric=rowsRead&window=${window(60, 3)}`)).toHaveLength(3);
    expect(await metric(`subscription_invalidations_top_k?window=${window(60, 3)}`)).toEqual([]);
    expect((await request("/api/app_metrics/udf_rate?window=nonsense")).status).toBe(400);
  });
});

describe("logs", () => {
  test("P-X-4 the log shows one request of the page, by the session and the number of the request", async () => {
    const polled = await request("/api/app_metrics/stream_function_logs?cursor=0");
    const { newCursor } = (await polled.json()) as { newCursor: number };
    const { sessionId, requestId } = await dashboard.send("messages:send", { channel: "logged", body: "seen" });
    await dashboard.mutation("messages:send", { channel: "logged", body: "another" });
    const query = `cursor=${newCursor}&sessionId=${sessionId}&clientRequestCounter=${requestId}`;
    const answer = await request(`/api/app_metrics/stream_function_logs?${query}`);
    const { entries } = (await answer.json()) as { entries: { identifier: string; logLines: object[] }[] };
    expect(entries).toMatchObject([
      { identifier: "messages:send", logLines: [{ messages: ["'sending'", "'seen'"], level: "LOG" }] },
    ]);
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

  test("SYS11 all scheduled functions of a name or of a time are cancelled at once", async () => {
    const args = { componentId: null, paginationOpts: { cursor: null, numItems: 10, id: 1 } };
    const jobs = dashboard.watch<Page<{ readonly nextTs: bigint }>>(`${FRONTEND}/paginatedScheduledJobs`, args);
    for (const minutes of [60, 120, 180]) await dashboard.mutation("jobs:later", { minutes });
    const { page } = await jobs.until(({ page: found }) => found.length === 3);
    expect((await request("/api/cancel_all_jobs", { udfPath: "jobs.js:other" })).status).toBe(200);
    const times = page.map(({ nextTs }) => Number(nextTs));
    expect((await request("/api/cancel_all_jobs", { startNextTs: Math.max(...times) - 1e9 })).status).toBe(200);
    await jobs.until(({ page: found }) => found.length === 2);
    expect((await request("/api/cancel_all_jobs", { udfPath: "jobs.js:work", componentId: null })).status).toBe(200);
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
    expect(await (await request("/api/v1/list_environment_variables")).json()).toEqual({
      environmentVariables: { DASHBOARD: "yes" },
    });
    await request("/api/v1/update_environment_variables", { changes: [{ name: "DASHBOARD" }] });
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
    expect(await (await request("/api/v1/deployment_info")).json()).toEqual({ kind: "selfHosted" });
  });

  test("P-X-4 the sign-in page is let in by a good key, from a page of another origin", async () => {
    const signIn = (key: string) =>
      fetch(`${backend.url}/api/check_admin_key`, {
        headers: {
          authorization: `Convex ${key}`,
          "convex-client": "dashboard-0.0.0",
          origin: "http://elsewhere.test",
        },
      });
    const answer = await signIn(backend.adminKey);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("access-control-allow-origin")).toBe("http://elsewhere.test");
    expect((await signIn("convection|00")).status).toBe(401);
    const preflight = await fetch(`${backend.url}/api/delete_tables`, {
      method: "OPTIONS",
      headers: {
        origin: "http://elsewhere.test",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,convex-client",
      },
    });
    expect(preflight.headers.get("access-control-allow-headers")).toContain("convex-client");
  });

  test("P-X-4 SYS3 cron jobs come with their next run; an app without any has none", async () => {
    expect(await ask("listCronJobs", { componentId: null })).toEqual([]);
    expect(await ask("listCronJobRuns", { cronId: "none", componentId: null })).toEqual([]);
  });
});

describe("history", () => {
  interface Event extends Row {
    readonly action: string;
    readonly member_id: bigint;
    readonly metadata: Record<string, any>; // oxlint-disable-line typescript/no-explicit-any -- of each action its own
  }
  const all = { filters: { minDate: 0 }, paginationOpts: { cursor: null, numItems: 200, id: 1 } };
  const events = async (filters: object = {}): Promise<Event[]> =>
    (await ask<Page<Event>>("paginatedDeploymentEvents", { ...all, filters: { minDate: 0, ...filters } })).page;

  test("P-X-4 HIST1 pushes, variables, pauses and deleted tables are told, the newest first, as they happen", async () => {
    const shown = dashboard.watch<Page<Event>>(`${FRONTEND}/paginatedDeploymentEvents`, all);
    await shown.until(({ page }) => page.length > 0);
    const [pushed] = (await events({ actions: ["push_config_with_components"] })).toReversed();
    expect(pushed?.member_id).toBe(0n);
    const diffs = pushed?.metadata["component_diffs"] as { component_path: string | null; component_diff: any }[]; // oxlint-disable-line typescript/no-explicit-any -- as above
    expect(new Set(diffs.map(({ component_path: path }) => path))).toEqual(new Set(["counter", null]));
    const ofApp = diffs.find(({ component_path: path }) => path === null)?.component_diff;
    expect(ofApp).toMatchObject({ diffType: { type: "create" }, moduleDiff: { removed: [] } });
    expect(ofApp.moduleDiff.added).toContain("messages.js");
    expect(await ask<Event>("deploymentEvents:lastPushEvent")).toEqual(
      (await events({ actions: [pushed?.action] }))[0],
    );

    const change = (value: string | null) =>
      request("/api/update_environment_variables", { changes: [{ name: "TOLD", value }] });
    for (const value of ["secret", "other secret", null, null]) expect((await change(value)).status).toBe(200);
    for (const state of ["paused", "running", "running"]) {
      expect((await request("/api/change_deployment_state", { newState: state })).status).toBe(200);
    }
    await shown.until(({ page: [newest] }) => newest?.metadata["new_state"] === "running");
    const newest = (await events()).slice(0, 5).map(({ action, metadata }) => [action, metadata]);
    expect(newest).toEqual([
      ["change_deployment_state", { old_state: "paused", new_state: "running" }],
      ["change_deployment_state", { old_state: "running", new_state: "paused" }],
      ["delete_environment_variable", { variable_name: "TOLD" }],
      ["update_environment_variable", { variable_name: "TOLD" }],
      ["create_environment_variable", { variable_name: "TOLD" }],
    ]);
    const [deleted] = await events({ actions: ["delete_tables"] });
    expect(deleted?.metadata).toEqual({ component_id: null, component: null, table_names: ["doomed"] });
    expect(
      JSON.stringify(await events(), (_, value: unknown) => (typeof value === "bigint" ? "" : value)),
    ).not.toContain("secret");
  });

  test("HIST2 events are chosen by time and by who did it", async () => {
    const [last, before] = await events();
    const since = await ask<Event[]>("listDeploymentEventsFromTime", { fromTimestamp: before?._creationTime });
    expect(since).toEqual([before, last]);
    const one = { minDate: before?._creationTime, maxDate: before?._creationTime };
    expect(await events(one)).toEqual([before]);
    expect(await events({ ...one, authorMemberIds: [0n] })).toEqual([before]);
    expect(await events({ ...one, authorMemberIds: [7n] })).toEqual([]);
    // Nobody but admins reads of it, the app included.
    expect(await documents("_deployment_audit_log")).toEqual([]);
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
