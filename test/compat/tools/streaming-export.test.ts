import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ApiClient, valueOf } from "../../support/api-client.ts";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { FIXTURES } from "../../support/paths.ts";

interface Row {
  readonly _id: string;
  readonly _table: string;
  readonly _component: string;
  readonly _ts: number;
  readonly _deleted?: boolean;
  readonly [field: string]: unknown;
}

interface Page {
  readonly values: readonly Row[];
  readonly cursor: string | number | null;
  readonly snapshot: number;
  readonly hasMore: boolean;
}

let backend: TestBackend;
let api: ApiClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "system-app") });
  api = new ApiClient(backend);
});

afterAll(() => backend?.stop());

async function get(path: string, query: Readonly<Record<string, unknown>> = {}): Promise<Response> {
  const url = new URL(`${backend.url}/api/${path}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
  return fetch(url, { headers: { authorization: `Convex ${backend.adminKey}` } });
}

async function page(path: string, query: Readonly<Record<string, unknown>> = {}): Promise<Page> {
  const response = await get(path, query);
  expect(response.status).toBe(200);
  return response.json();
}

async function snapshot(query: Readonly<Record<string, unknown>> = {}): Promise<Page> {
  const rows: Row[] = [];
  for (let more: Readonly<Record<string, unknown>> = {}; ;) {
    const { values, cursor, hasMore, snapshot: ts } = await page("list_snapshot", { ...query, ...more });
    rows.push(...values);
    if (!hasMore) return { values: rows, cursor, hasMore, snapshot: ts };
    more = { cursor, snapshot: ts };
  }
}

async function send(body: string, size?: string): Promise<string> {
  const args = { channel: "exports", body, ...(size === undefined ? {} : { size: { $integer: size } }) };
  return String(await valueOf(api.mutation("messages:send", args)));
}

test("P-X-3 document_deltas tells three writes as three rows, and then nothing", async () => {
  const before = await snapshot();
  const id = await send("first", "BQAAAAAAAAA=");
  await api.admin("_system/frontend/patchDocumentsFields", {
    table: "messages",
    ids: [id],
    fields: { body: "patched" },
  });
  await api.admin("_system/frontend/deleteDocuments", { toDelete: [{ id, tableName: "messages" }] });

  const deltas = await page("document_deltas", { cursor: before.snapshot });
  const common = { _id: id, _table: "messages", _component: "" };
  const message = { ...common, channel: "exports", size: "5", _creationTime: expect.any(Number), _deleted: false };
  expect(deltas).toMatchObject({ hasMore: false });
  expect(deltas.values).toEqual([
    { ...message, body: "first", _ts: expect.any(Number) },
    { ...message, body: "patched", _ts: expect.any(Number) },
    { ...common, _deleted: true, _ts: deltas.cursor },
  ]);
  const times = deltas.values.map(({ _ts }) => _ts);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(await page("document_deltas", { cursor: deltas.cursor })).toEqual({
    values: [],
    cursor: deltas.cursor,
    hasMore: false,
  });
});

test("P-X-3 list_snapshot is of one moment, in pages, and deltas go on from there", async () => {
  const documents = Array.from({ length: 1500 }, (_, i) => ({ channel: "many", body: i }));
  await api.admin("_system/frontend/addDocument", { table: "messages", documents });
  const first = await page("list_snapshot", { tableName: "messages" });
  expect(first).toMatchObject({ hasMore: true, values: { length: 1024 } });
  const late = await send("late");
  const { cursor, snapshot: ts } = first;
  const second = await page("list_snapshot", { tableName: "messages", cursor, snapshot: ts });
  expect(second).toMatchObject({ hasMore: false, cursor: null, snapshot: ts });
  const listed = [...first.values, ...second.values];
  const bodies = listed.filter(({ channel }) => channel === "many").map(({ body }) => Number(body));
  expect(bodies.toSorted((a, b) => a - b)).toEqual(documents.map(({ body }) => body));
  expect(listed.map(({ _id }) => _id)).not.toContain(late);
  const deltas = await page("document_deltas", { cursor: ts, tableName: "messages" });
  expect(deltas.values.map(({ _id }) => _id)).toEqual([late]);
});

test("P-X-3 tables are chosen by name and component, values by their format", async () => {
  const { snapshot: before } = await snapshot();
  await send("sized", "BQAAAAAAAAA=");
  await valueOf(api.mutation("messages:count", { name: "exported", n: 2 }));
  const of = async (query: object) =>
    (await page("document_deltas", { cursor: before, ...query })).values.map(({ _component, _table }) => [
      _component,
      _table,
    ]);
  expect(await of({})).toEqual([
    ["", "messages"],
    ["counter", "counts"],
  ]);
  expect(await of({ tableName: "messages" })).toEqual([["", "messages"]]);
  expect(await of({ tableName: "counts" })).toEqual([]);
  expect(await of({ tableName: "counts", component: "counter" })).toEqual([["counter", "counts"]]);
  const encoded = await page("document_deltas", { cursor: before, tableName: "messages", format: "convex_json" });
  expect(encoded.values).toMatchObject([{ size: { $integer: "BQAAAAAAAAA=" } }]);
  const headers = { authorization: `Convex ${backend.adminKey}` };
  const posted = await api.post("/api/document_deltas", { cursor: before, tableName: "messages" }, headers);
  expect(await posted.json()).toMatchObject({ values: [{ size: "5", body: "sized" }], hasMore: false });
});

test("P-X-3 json_schemas describes what the other two answer", async () => {
  await send("described", "BQAAAAAAAAA=");
  const response = await get("json_schemas", { deltaSchema: true, format: "json" });
  expect(await response.json()).toMatchObject({
    messages: {
      type: "object",
      properties: {
        _id: { type: "string", description: "Id(messages)" },
        channel: { type: "string" },
        size: { type: "string" },
        _ts: { type: "integer" },
        _deleted: { type: "boolean" },
      },
      required: expect.arrayContaining(["_id", "channel"]),
    },
  });
});

test.each([
  ["document_deltas", {}, "DocumentDeltasCursorRequired"],
  ["document_deltas", { cursor: "yesterday" }, "InvalidTimestamp"],
  ["list_snapshot", { snapshot: "9000000000000000000" }, "InvalidTimestamp"],
  ["list_snapshot", { cursor: "nowhere" }, "InvalidCursor"],
  ["list_snapshot", { format: "xml" }, "BadFormat"],
])("P-X-3 %s of %j is refused by name", async (path, query, code) => {
  const response = await get(path, query);
  expect([response.status, await response.json()]).toMatchObject([400, { code }]);
});
