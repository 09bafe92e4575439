import { join } from "node:path";
import { ConvexClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SYSTEM_MUTATIONS } from "../../src/system/system-mutations.ts";
import { SYSTEM_QUERIES } from "../../src/system/system-queries.ts";
import { AdminKeys } from "../../src/auth/admin-key.ts";
import { startBackend, type TestBackend } from "../support/backend.ts";
import { AppCopy, convex } from "../support/convex-cli.ts";
import { FIXTURES } from "../support/paths.ts";

const SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

let backend: TestBackend;
let app: AppCopy;
let readOnlyKey: string;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "system-app"));
  backend = await startBackend({ app: app.path, env: { CONVECTION_SECRET: SECRET } });
  readOnlyKey = await (await AdminKeys.create("convection", [SECRET])).issue({ readOnly: true });
});

afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

function post(path: string, body: unknown, key: string | null = backend.adminKey): Promise<Response> {
  return fetch(`${backend.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key !== null && { authorization: `Convex ${key}` }) },
    body: JSON.stringify(body),
  });
}

interface Answer {
  readonly status: string;
  readonly value?: any; // oxlint-disable-line typescript/no-explicit-any -- whatever JSON a function answers
  readonly errorMessage?: string;
  readonly logLines?: readonly string[];
}

async function call(path: string, args: unknown = {}, component = ""): Promise<Answer> {
  return (await post("/api/function", { path, args, componentPath: component, format: "json" })).json();
}

async function run(kind: "query" | "mutation" | "action", path: string, args: unknown, key?: string | null) {
  const answer: Answer = await (await post(`/api/${kind}`, { path, args, format: "json" }, key)).json();
  return answer;
}

const PAGE = { paginationOpts: { cursor: null, numItems: 100 } };

/** Good arguments of every system function. */
const ARGUMENTS: Readonly<Record<string, unknown>> = {
  "_system/cli/tables": PAGE,
  "_system/cli/tableData": { table: "messages", order: "asc", ...PAGE },
  "_system/cli/tableSize": { tableName: "messages" },
  "_system/cli/queryTable": { tableName: "messages" },
  "_system/cli/queryEnvironmentVariables:get": { name: "GREETING" },
  "_system/cli/queryImport": { importId: "none" },
  "_system/frontend/listById": { ids: [] },
  "_system/frontend/paginatedDeploymentEvents": { filters: { minDate: 0 }, ...PAGE },
  "_system/frontend/listDeploymentEventsFromTime": { fromTimestamp: 0 },
  "_system/frontend/listTableScan": { table: "messages", limit: 3 },
  "_system/frontend/paginatedTableDocuments": { table: "messages", filters: null, ...PAGE },
  "_system/frontend/tableSize": { tableName: "messages" },
  "_system/frontend/getById": { id: "none" },
  "_system/frontend/indexes": { tableName: "messages", tableNamespace: null },
  "_system/frontend/modules:getSourceCode": { path: "messages.js" },
  "_system/frontend/fileStorageV2:fileMetadata": PAGE,
  "_system/frontend/fileStorageV2:getFile": { storageId: "none" },
  "_system/frontend/listCronJobRuns": { cronId: "none" },
  "_system/frontend/paginatedScheduledJobs": PAGE,
};

describe.each([...SYSTEM_QUERIES.keys()])("%s", (path) => {
  const args = ARGUMENTS[path] ?? {};

  test("SYS1 answers every admin key, read-only ones included", async () => {
    for (const key of [backend.adminKey, readOnlyKey]) {
      expect(await run("query", path, args, key)).toMatchObject({ status: "success" });
    }
  });

  test("SYS1 does not exist for anybody else, in a batch and at a timestamp neither", async () => {
    const missing = `Could not find public function for '${path}'. Did you forget to run \`npx convex dev\`?`;
    const [query, mutation] = [await run("query", path, args, null), await run("mutation", path, args, null)];
    for (const { status, value, errorMessage } of [query, mutation]) {
      expect({ status, value }).toEqual({ status: "error", value: undefined });
      expect(errorMessage).toContain(missing);
    }
    const batch = {
      queries: [
        { path, args },
        { path: "messages:list", args: { channel: "none" } },
      ],
    };
    const { results }: { results: Answer[] } = await (await post("/api/query_batch", batch, null)).json();
    expect(results).toMatchObject([{ status: "error" }, { status: "success" }]);
    const { ts } = (await (await post("/api/query_ts", {}, null)).json()) as { ts: string };
    const at: Answer = await (await post("/api/query_at_ts", { path, args, ts }, null)).json();
    expect(at.errorMessage).toContain(missing);
    const action = await post("/api/action", { path, args }, null);
    expect(action.status).toBe(403);
    expect(await action.json()).toMatchObject({ code: "SystemIdentityRequired" });
    const byName = await post(`/api/run/${path.replace(":", "/")}`, { args }, null);
    expect(await byName.json()).not.toHaveProperty("value");
  });

  test("SYS1 refuses keys that are not this deployment's", async () => {
    const { adminKey } = backend;
    for (const key of [
      "garbage",
      "convection|00",
      `other|${adminKey.split("|")[1]}`,
      `${adminKey.slice(0, -1)}x`,
      "|",
    ]) {
      const response = await post("/api/query", { path, args }, key);
      expect(response.status).toBe(401);
    }
  });

  test("SYS2 says which argument is wrong", async () => {
    const { status, errorMessage } = await run("query", path, { surprise: 1 });
    expect(status).toBe("error");
    expect(errorMessage).toContain("ArgumentValidationError: Object ");
  });
});

describe("what the CLI asks", () => {
  test("SYS3 apiSpec has every function with visibility and validators, and every route", async () => {
    const { value } = await call("_system/cli/modules:apiSpec");
    expect(value).toContainEqual({
      identifier: "messages.js:list",
      functionType: "Query",
      visibility: { kind: "public" },
      args: { type: "object", value: { channel: { fieldType: { type: "string" }, optional: false } } },
      returns: { type: "array", value: { type: "any" } },
    });
    expect(value).toContainEqual(
      expect.objectContaining({ identifier: "messages.js:hidden", visibility: { kind: "internal" } }),
    );
    expect(value).toContainEqual(expect.objectContaining({ identifier: "env.js:default", returns: { type: "any" } }));
    expect(value).toContainEqual({ functionType: "HttpAction", method: "GET", path: "/hello" });
    expect(value).toContainEqual({ functionType: "HttpAction", method: "POST", path: "/files/*" });
    const inComponent = await call("_system/cli/modules:apiSpec", {}, "counter");
    expect(inComponent.value).toMatchObject([{ identifier: "counts.js:add", functionType: "Mutation" }]);
  });

  test("SYS3 cloudUrl, components and schemas are those of the deployment", async () => {
    expect((await call("_system/cli/convexUrl:cloudUrl")).value).toBe(backend.url);
    expect((await call("_system/frontend/components:list")).value).toEqual([
      { id: "counter", name: "counter", path: "counter", args: {}, state: "active", httpPrefix: null },
    ]);
    const schema = JSON.parse((await call("_system/frontend/getSchemas")).value.active);
    expect(schema).toMatchObject({
      tables: [
        { tableName: "messages", indexes: [{ indexDescriptor: "by_channel", fields: ["channel", "_creationTime"] }] },
      ],
      schemaValidation: true,
    });
    expect(schema.tables[0].documentType.value.size).toEqual({ fieldType: { type: "bigint" }, optional: true });
    const ofCounter = JSON.parse((await call("_system/frontend/getSchemas", {}, "counter")).value.active);
    expect(ofCounter.tables).toMatchObject([{ tableName: "counts" }]);
  });

  test("SYS3 tables, their pages and sizes, in components too", async () => {
    for (const body of ["a", "b", "c"]) await run("mutation", "messages:send", { channel: "data", body });
    await run("mutation", "messages:count", { name: "x", n: 1 });
    expect((await call("_system/cli/tables:default", PAGE)).value).toMatchObject({
      page: [{ name: "messages" }],
      isDone: true,
      continueCursor: expect.any(String),
    });
    expect((await call("_system/cli/tables", PAGE, "counter")).value.page).toEqual([{ name: "counts" }]);

    const bodies: unknown[] = [];
    let cursor: string | null = null;
    for (let done = false; !done;) {
      const paginationOpts = { cursor, numItems: 2 };
      const { value } = await call("_system/cli/tableData", { table: "messages", order: "desc", paginationOpts });
      expect(value.page.length).toBeLessThanOrEqual(2);
      bodies.push(...value.page.map(({ body }: { body: unknown }) => body));
      cursor = value.continueCursor;
      done = value.isDone;
    }
    expect(bodies.slice(0, 3)).toEqual(["c", "b", "a"]);
    const inComponent = await call("_system/cli/tableData", { table: "counts", order: "asc", ...PAGE }, "counter");
    expect(inComponent.value.page).toMatchObject([{ name: "x", n: 1 }]);
    const noTable = await call("_system/cli/tableData", { table: "nothing", order: "asc", ...PAGE });
    expect(noTable.value).toMatchObject({ page: [], isDone: true });
    expect((await call("_system/cli/tableSize", { tableName: "messages" })).value).toBe(bodies.length);
    expect((await call("_system/cli/tableSize", { tableName: "nothing" })).value).toBe(0);
  });

  test("SYS3 queryTable is another value after every write", async () => {
    const ask = async () => (await call("_system/cli/queryTable", { tableName: "messages" })).value;
    const before = await ask();
    expect(await ask()).toBe(before);
    await run("mutation", "messages:send", { channel: "watched", body: "new" });
    expect(await ask()).not.toBe(before);
  });

  test("SYS3 environment variables are the user's own, as the app sees them", async () => {
    const changes = [
      { name: "GREETING", value: "hello" },
      { name: "ANOTHER", value: "" },
    ];
    await post("/api/update_environment_variables", { changes });
    expect((await call("_system/cli/queryEnvironmentVariables")).value).toEqual(changes.toReversed());
    expect((await call("_system/cli/queryEnvironmentVariables:get", { name: "GREETING" })).value).toEqual(changes[0]);
    expect((await call("_system/cli/queryEnvironmentVariables:get", { name: "CONVEX_CLOUD_URL" })).value).toBeNull();
    expect((await run("query", "env", {})).value).toBe("hello");
  });

  test("P-E-1 the deployment API changes environment variables and lists them", async () => {
    const changes = [{ name: "OVER_HTTP", value: "yes" }];
    expect((await post("/api/v1/update_environment_variables", { changes })).status).toBe(200);
    const list = async (key: string) =>
      (
        await fetch(`${backend.url}/api/v1/list_environment_variables`, { headers: { authorization: `Convex ${key}` } })
      ).json();
    expect(await list(readOnlyKey)).toMatchObject({ environmentVariables: { OVER_HTTP: "yes" } });
    // As older CLIs remove one.
    await post("/api/update_environment_variables", { changes: [{ name: "OVER_HTTP" }] });
    const { environmentVariables } = (await list(backend.adminKey)) as { environmentVariables: object };
    expect(environmentVariables).not.toHaveProperty("OVER_HTTP");
  });

  test("SYS3 there are no imports and no exports", async () => {
    expect((await call("_system/cli/queryImport:list")).value).toEqual([]);
    expect((await call("_system/cli/queryImport", { importId: "x" })).value).toBeNull();
    expect((await call("_system/cli/exports:getLatest")).value).toBeNull();
  });

  test("SYS4 an unknown system function is not found", async () => {
    expect((await call("_system/cli/nothing")).errorMessage).toContain(
      "Could not find function for '_system/cli/nothing'",
    );
    expect((await run("mutation", "_system/cli/tables", PAGE)).errorMessage).toContain(
      "Could not find public function",
    );
  });

  test("SYS7 shapes2 tells what documents look like", async () => {
    const first = await run("mutation", "messages:send", { channel: "shape", body: "text" });
    await run("mutation", "messages:send", {
      channel: "shape",
      body: 1,
      answers: first.value,
      size: { $integer: "AQAAAAAAAAA=" },
    });
    const response = await fetch(`${backend.url}/api/shapes2`, { headers: { authorization: `Convex ${readOnlyKey}` } });
    expect(await response.json()).toEqual({
      messages: {
        type: "Object",
        fields: [
          { fieldName: "_creationTime", optional: false, shape: { type: "Float64" } },
          { fieldName: "_id", optional: false, shape: { type: "Id", tableName: "messages" } },
          { fieldName: "answers", optional: true, shape: { type: "Id", tableName: "messages" } },
          {
            fieldName: "body",
            optional: false,
            shape: { type: "Union", shapes: [{ type: "Float64" }, { type: "String" }] },
          },
          { fieldName: "channel", optional: false, shape: { type: "String" } },
          { fieldName: "size", optional: true, shape: { type: "Int64" } },
        ],
      },
    });
    expect((await fetch(`${backend.url}/api/shapes2`)).status).toBe(403);
  });
});

const WRITES: Readonly<Record<string, unknown>> = {
  "_system/frontend/addDocument": { table: "spare", documents: [{ n: 0 }] },
  "_system/frontend/patchDocumentsFields": { table: "spare", ids: [], fields: {} },
  "_system/frontend/replaceDocument": { id: "none", document: {} },
  "_system/frontend/deleteDocuments": { toDelete: [] },
  "_system/frontend/clearTablePage": { tableName: "spare", cursor: null },
  "_system/frontend/createTable": { table: "spare" },
  "_system/frontend/fileStorageV2:deleteFile": { storageId: "none" },
  "_system/frontend/fileStorageV2:deleteFiles": { storageIds: [] },
  "_system/frontend/fileStorageV2:generateUploadUrl": {},
};

/** Newest first. */
async function scan(table: string, more: object = {}) {
  return (await run("query", "_system/frontend/listTableScan", { table, limit: 100, ...more })).value;
}

describe("what changes documents", () => {
  const add = (table: string, documents: readonly object[], more: object = {}) =>
    run("mutation", "_system/frontend/addDocument", { table, documents, ...more });

  test("SYS8 every one is refused to read-only keys, and does not exist for anybody else", async () => {
    expect(Object.keys(WRITES).toSorted()).toEqual([...SYSTEM_MUTATIONS.keys()].toSorted());
    for (const [path, args] of Object.entries(WRITES)) {
      const readOnly = await post("/api/mutation", { path, args, format: "json" }, readOnlyKey);
      expect(await readOnly.json()).toMatchObject({ code: "OperationNotPermitted" });
      const any = await post("/api/function", { path, args, format: "json" }, readOnlyKey);
      expect(await any.json()).toMatchObject({ code: "OperationNotPermitted" });
      const nobody = await run("mutation", path, args, null);
      expect(nobody.errorMessage).toContain(`Could not find public function for '${path}'.`);
      expect((await run("query", path, args)).errorMessage).toContain("Could not find public function");
      expect((await run("mutation", path, { surprise: 1 })).errorMessage).toContain("ArgumentValidationError: Object ");
    }
    expect(await scan("spare")).toEqual([]);
  });

  test("SYS8 documents are added, patched, replaced and deleted as by the app's own functions", async () => {
    expect(await add("notes", [{ n: 1, big: { $integer: "AQAAAAAAAAA=" } }, { n: 2 }])).toMatchObject({
      status: "success",
      value: { success: true },
    });
    const [second, first] = await scan("notes", { componentId: null });
    expect([first, second]).toMatchObject([{ n: 1, big: expect.anything() }, { n: 2 }]);
    expect(await scan("notes", { limit: 1 })).toEqual([second]);
    const { value: table } = await run("query", "_system/frontend/getTableMapping", { componentId: null });
    expect(Object.values(table)).toContain("notes");
    const names = [
      { id: second._id, tableName: "notes" },
      { id: first._id, tableName: "messages" },
    ];
    expect((await run("query", "_system/frontend/listById", { ids: names })).value).toEqual([second, null]);

    const patch = { table: "notes", ids: [first._id, second._id], fields: { seen: true } };
    expect((await run("mutation", "_system/frontend/patchDocumentsFields", patch)).value).toEqual({ success: true });
    const document = { ...second, n: 3 };
    const replaced = await run("mutation", "_system/frontend/replaceDocument", { id: second._id, document });
    expect(replaced.value).toEqual({ success: true });
    expect(await scan("notes")).toEqual([
      { ...second, n: 3 },
      { ...first, seen: true },
    ]);

    const wrongTable = { toDelete: [names[0], { id: first._id, tableName: "messages" }] };
    const refused = await run("mutation", "_system/frontend/deleteDocuments", wrongTable);
    expect(refused.errorMessage).toContain('expected to be an Id<"messages">, got Id<"notes">');
    expect(await scan("notes")).toHaveLength(2);
    const deleted = await run("mutation", "_system/frontend/deleteDocuments", { toDelete: [names[0]] });
    expect(deleted.value).toEqual({ success: true });
    expect(await scan("notes")).toEqual([{ ...first, seen: true }]);
    expect((await run("query", "_system/frontend/tableSize", { tableName: "notes", componentId: null })).value).toBe(1);
  });

  test("SYS8 what the schema refuses is answered, and nothing of it is stored", async () => {
    const before = await scan("messages");
    const { status, value } = await add("messages", [
      { channel: "added", body: "fits" },
      { channel: 5, body: "" },
    ]);
    expect({ status, value }).toMatchObject({ status: "success", value: { success: false } });
    expect(value.error).toContain("does not match the schema");
    expect(await scan("messages")).toEqual(before);
    expect((await add("_storage", [{ size: 1 }])).value).toMatchObject({ success: false });
  });

  test("SYS8 a component is named by its id", async () => {
    const componentId = "counter";
    expect((await add("counts", [{ name: "added", n: 4 }], { componentId })).value).toEqual({ success: true });
    expect(await scan("counts", { componentId })).toContainEqual(expect.objectContaining({ name: "added", n: 4 }));
    expect(await scan("counts")).toEqual([]);
    const schemas = await run("query", "_system/frontend/getSchemas", { componentId });
    expect(JSON.parse(schemas.value.active).tables).toMatchObject([{ tableName: "counts" }]);
    expect((await add("counts", [], { componentId: "nowhere" })).errorMessage).toContain(
      "Component nowhere not found.",
    );
  });

  test("SYS8 a table is cleared page by page", async () => {
    const documents = Array.from({ length: 1100 }, (_, n) => ({ n }));
    expect((await add("many", documents)).value).toEqual({ success: true });
    const deleted: number[] = [];
    let page = { continueCursor: null as string | null, hasMore: true };
    while (page.hasMore) {
      const args = { tableName: "many", cursor: page.continueCursor };
      const { value } = await run("mutation", "_system/frontend/clearTablePage", args);
      deleted.push(value.deleted);
      page = value;
    }
    expect(deleted).toEqual([1000, 100]);
    expect(await scan("many")).toEqual([]);
    const nothing = await run("mutation", "_system/frontend/clearTablePage", { tableName: "never", cursor: null });
    expect(nothing.value).toMatchObject({ deleted: 0, hasMore: false });
    const system = await run("mutation", "_system/frontend/clearTablePage", { tableName: "_storage", cursor: null });
    expect(system.status).toBe("error");
  });

  test("SYS8 the data view's pages are filtered and ordered", async () => {
    await add("filtered", [{ n: 1 }, { n: 2, tag: "a" }, { n: 3 }, { n: 4, tag: "b" }]);
    const look = async (filters: object | null, numItems = 10) => {
      const args = {
        table: "filtered",
        componentId: null,
        filters: filters === null ? null : Buffer.from(JSON.stringify(filters)).toString("base64"),
        paginationOpts: { cursor: null, numItems, id: 1 },
      };
      const { value, errorMessage } = await run("query", "_system/frontend/paginatedTableDocuments", args);
      return value?.page.map(({ n }: { n: number }) => n) ?? errorMessage;
    };
    const where = (op: string, field: string, value?: unknown) => ({ id: "x", enabled: true, op, field, value });
    expect(await look(null)).toEqual([4, 3, 2, 1]);
    expect(await look({ clauses: [], order: "asc" }, 3)).toEqual([1, 2, 3]);
    expect(await look({ clauses: [where("gte", "n", 2), where("lt", "n", 4)] })).toEqual([3, 2]);
    expect(await look({ clauses: [where("eq", "tag")] })).toEqual([3, 1]);
    expect(await look({ clauses: [where("anyOf", "tag", ["b", "a"]), where("neq", "n", 2)] }, 1)).toEqual([4]);
    expect(await look({ clauses: [where("noneOf", "n", [1, 4])] })).toEqual([3, 2]);
    expect(await look({ clauses: [{ ...where("eq", "n", 9), enabled: false }] })).toHaveLength(4);
    expect(await look({ clauses: [where("type", "n", "string")] })).toEqual([]);
    expect(await look({ clauses: [where("notype", "tag", "unset")] })).toEqual([4, 2]);
    expect(await look({ clauses: [where("like", "n", 1)] })).toContain("Invalid filters");
  });

  test("SYS8 deleting a scheduled function cancels it", async () => {
    const scheduled = await run("mutation", "messages:sendLater", { channel: "scheduled", body: "never" });
    expect(scheduled.errorMessage ?? scheduled.status).toBe("success");
    const waiting = async () => (await run("query", "_system/frontend/paginatedScheduledJobs", PAGE)).value.page;
    const [job] = await waiting();
    const toDelete = [{ id: job._id, tableName: "_scheduled_jobs" }];
    const deleted = await run("mutation", "_system/frontend/deleteDocuments", { componentId: null, toDelete });
    expect(deleted.value).toEqual({ success: true });
    expect(await waiting()).toEqual([]);
    expect(await scan("_scheduled_functions")).toMatchObject([{ state: { kind: "canceled" } }]);
  });

  test("SYS8 a client with an admin key on a socket does the same, and subscribers see it", async () => {
    const client = new ConvexClient(backend.url, { unsavedChangesWarning: false });
    const admin = client as unknown as { setAdminAuth(key: string): void };
    admin.setAdminAuth(backend.adminKey);
    const scanned = makeFunctionReference<"query", Record<string, unknown>, readonly { n: number }[]>(
      "_system/frontend/listTableScan",
    );
    const added = makeFunctionReference<"mutation", Record<string, unknown>, unknown>("_system/frontend/addDocument");
    try {
      const seen = new Promise<readonly { n: number }[]>((resolve) => {
        client.onUpdate(scanned, { table: "live", limit: 5 }, (rows) => {
          if (rows.length > 0) resolve(rows);
        });
      });
      const args = { table: "live", documents: [{ n: 7 }] };
      expect(await client.mutation(added, args)).toEqual({ success: true });
      expect(await seen).toMatchObject([{ n: 7 }]);
      expect(await client.query(scanned, { table: "live", limit: 5 })).toMatchObject([{ n: 7 }]);
    } finally {
      await client.close();
    }
  });
});

const WRAPPERS = 'import { query, internalQuery } from "convex:/_system/repl/wrappers.js";\n';

async function runSource(source: string, more: object = {}): Promise<Answer> {
  const body = { adminKey: backend.adminKey, args: {}, bundle: { path: "testQuery.js", source }, ...more };
  const response = await post("/api/run_test_function", { format: "convex_encoded_json", ...body }, null);
  expect(response.status).toBe(200);
  return response.json();
}

function handler(body: string): string {
  return `${WRAPPERS}export default query({ handler: async (ctx, args) => {\n${body}\n} });`;
}

describe("source that was never pushed", () => {
  test("TEST1 runs as a query of the app: data, internal functions, arguments, log", async () => {
    await run("mutation", "messages:send", { channel: "inline", body: "hi" });
    const source = handler(`
      console.log("looking", args.channel);
      await ctx.runQuery("messages:hidden", {});
      const found = await ctx.runQuery("messages:list", args);
      return found.map(({ body }) => [body, process.env.GREETING !== undefined]);`);
    expect(await runSource(source, { args: { channel: "inline" } })).toEqual({
      status: "success",
      value: [["hi", expect.any(Boolean)]],
      logLines: ["[LOG] 'looking' 'inline'"],
    });
    expect((await runSource(`${WRAPPERS}export default internalQuery(() => 5n);`)).value).toEqual({
      $integer: "BQAAAAAAAAA=",
    });
  });

  test("TEST1 runs in the component that its id names", async () => {
    await run("mutation", "messages:count", { name: "inline", n: 7 });
    const source = handler(`return (await ctx.db.query("counts").collect()).filter(({ name }) => name === "inline");`);
    expect((await runSource(source, { componentId: "counter" })).value).toMatchObject([{ name: "inline", n: 7 }]);
    const response = await post("/api/run_test_function", {
      adminKey: backend.adminKey,
      args: {},
      bundle: { path: "testQuery.js", source },
      componentId: "nowhere",
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "ComponentNotFound" });
  });

  test.each([
    [
      "a write",
      `return ctx.db.insert("messages", { channel: "inline", body: "written" });`,
      "ctx.db.insert is not a function",
    ],
    [
      "a write behind its back",
      `return Convex.asyncSyscall("1.0/insert", '{"table":"messages","value":{"channel":"inline","body":"written"}}');`,
      "Queries can't write to the database",
    ],
    [
      "a mutation",
      `return ctx.runMutation("messages:send", { channel: "inline", body: "written" });`,
      "is not a function",
    ],
    ["a request", `return (await fetch("http://127.0.0.1:1/")).status;`, "Can't use fetch() in queries and mutations"],
  ])("TEST2 is refused %s", async (_what, body, text) => {
    const { status, errorMessage } = await runSource(handler(body));
    expect(status).toBe("error");
    expect(errorMessage).toContain(text);
    const { value } = await run("query", "messages:list", { channel: "inline" });
    expect(value.map((message: { body: unknown }) => message.body)).not.toContain("written");
  });

  test.each([
    ["is not JavaScript", `${WRAPPERS}export default query(`, "SyntaxError"],
    ["exports no function", "export default 3;", 'Couldn\'t find "default" in module "testQuery.js"'],
    ["exports nothing", WRAPPERS, 'Couldn\'t find "default" in module "testQuery.js"'],
    ["imports what is not there", 'import x from "./nothing.js"; export default x;', "Couldn't find JavaScript module"],
    ["throws at import", 'throw new Error("at import");', "at import"],
    ["throws", handler('throw new Error("my own");'), "Uncaught Error: my own"],
  ])("TEST3 source that %s fails with a text of its own", async (_what, source, text) => {
    const { status, errorMessage } = await runSource(source);
    expect(status).toBe("error");
    expect(errorMessage).toContain(text);
  });

  test("TEST4 needs an admin key in the body, and a good one in the header if there is one", async () => {
    const body = { args: {}, bundle: { path: "testQuery.js", source: handler("return 1;") } };
    const status = async (adminKey: string, header: string | null) =>
      (await post("/api/run_test_function", { ...body, adminKey }, header)).status;
    expect(await status("garbage", null)).toBe(401);
    expect(await status("garbage", backend.adminKey)).toBe(401);
    expect(await status(backend.adminKey, "garbage")).toBe(401);
    expect(await status(readOnlyKey, readOnlyKey)).toBe(200);
    expect((await post("/api/run_test_function", body)).status).toBe(400);
  });
});

describe("the stock CLI", () => {
  test("P-I-3 run --inline-query prints what a query finds", async () => {
    await run("mutation", "messages:send", { channel: "cli", body: "from the CLI" });
    const query = 'await ctx.db.query("messages").withIndex("by_channel", (q) => q.eq("channel", "cli")).collect()';
    const result = await convex(app.path, backend, ["run", "--inline-query", query]);
    expect(result).toMatchObject({ code: 0 });
    expect(JSON.parse(result.stdout)).toMatchObject([{ channel: "cli", body: "from the CLI" }]);
  });

  test("P-I-3 run --inline-query refuses to write", async () => {
    const write = 'await ctx.db.insert("messages", { channel: "cli", body: "no" })';
    const { code, stderr } = await convex(app.path, backend, ["run", "--inline-query", write]);
    expect(code).toBe(1);
    expect(stderr).toContain("ctx.db.insert is not a function");
  });

  test("P-I-1 env set and env remove change what functions see", async () => {
    expect(await convex(app.path, backend, ["env", "remove", "GREETING"])).toMatchObject({ code: 0 });
    expect((await run("query", "env", {})).value).toBeNull();
  });
});

describe("tools that expect the hosted product's account service", () => {
  test("TOOL1 HEAD /api/authorize and POST /api/check_opt_ins let them through", async () => {
    const authorize = await fetch(`${backend.url}/api/authorize`, {
      method: "HEAD",
      headers: { authorization: "Bearer anything" },
    });
    expect(authorize.status).toBe(200);
    const optIns = await fetch(`${backend.url}/api/check_opt_ins`, {
      method: "POST",
      headers: { authorization: "Bearer anything" },
    });
    expect(await optIns.json()).toEqual({ optInsToAccept: [] });
  });
});
