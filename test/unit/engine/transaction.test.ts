import { expect, test } from "vitest";
import { CatalogChangedError, type SnapshotReader } from "../../../src/engine/snapshot-reader.ts";
import { resolveCommitTs } from "../../../src/engine/commit-ts.ts";
import { indexUpdates } from "../../../src/engine/index-updates.ts";
import { DEFAULT_TRANSACTION_LIMITS } from "../../../src/engine/limits.ts";
import type { InternalId } from "../../../src/engine/names.ts";
import { normalizeId } from "../../../src/engine/normalize-id.ts";
import { parseQuery } from "../../../src/engine/query/definition.ts";
import { dependsOn, indexRef, tableNameKey, tableRef } from "../../../src/engine/read-set.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import type { JsonObject, JsonValue } from "../../../src/shared/json.ts";
import { encodeDocumentId } from "../../../src/values/document-id.ts";
import { parseSchema } from "../../../src/values/parse-schema.ts";
import { TestDatabase, type TestTransaction, failure, internalId } from "./support.ts";

const ALL = { source: { type: "FullTableScan", tableName: "t", order: null }, operators: [] };

async function collect(transaction: TestTransaction, query: JsonValue = ALL): Promise<JsonObject[]> {
  const scope = transaction.scope();
  await scope.openQuery(0, parseQuery(query));
  const { rows } = await scope.nextPage(0, 0, 10_000);
  return rows.map((row) => JSON.parse(row));
}

test("P-D-1 inserting into an unknown table creates it, and the same transaction can query it", async () => {
  const transaction = new TestDatabase().begin();
  const id = transaction.insert("", "t", { a: 1 });
  expect(await collect(transaction)).toEqual([{ _creationTime: 1_700_000_000_000, _id: id, a: 1 }]);
  const { newTables, documents } = transaction.writeSet();
  expect(newTables.map(({ table }) => [table.name, table.component])).toEqual([["t", ""]]);
  expect(documents.map(({ before, after }) => [before, after?.json])).toEqual([
    [null, JSON.stringify({ _creationTime: 1_700_000_000_000, _id: id, a: 1 })],
  ]);
  expect(dependsOn(transaction.readSet(), "tables", tableNameKey("", "t"))).toBe(true);
});

test("P-D-2 patch merges shallowly and removes fields, replace replaces, remove removes", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const id = database.add(table, { a: { x: 1 }, b: 2, c: 3 });
  const transaction = database.begin();
  const internal = internalId(id);
  const patched = await transaction.patch(
    table,
    internal,
    new Map<string, JsonValue | undefined>([
      ["a", { y: 2 }],
      ["b", undefined],
    ]),
  );
  expect(JSON.parse(patched)).toEqual({ _id: id, _creationTime: 1001, a: { y: 2 }, c: 3 });
  await transaction.replace(table, internal, { d: 4 });
  expect(JSON.parse((await transaction.get(table, internal)) ?? "")).toEqual({ _id: id, _creationTime: 1001, d: 4 });
  expect(JSON.parse(await transaction.remove(table, internal))).toMatchObject({ d: 4 });
  expect(await transaction.get(table, internal)).toBeNull();
  const [write] = transaction.writeSet().documents;
  expect(JSON.parse(write?.before?.json ?? "")).toMatchObject({ b: 2, c: 3 });
  expect(write?.after).toBeNull();
});

test("P-D-2 a patch that changes nothing writes nothing and is not checked", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const id = internalId(database.add(table, { a: 1 }));
  const schema = parseSchema({
    tables: [{ tableName: "t", documentType: { type: "object", value: {} } }],
    schemaValidation: true,
  });
  const transaction = database.begin("mutation", { schemas: () => schema });
  await transaction.patch(table, id, new Map([["a", 1]]));
  expect(transaction.writeSet().documents).toEqual([]);
  expect(transaction.metrics().documentsWritten.used).toBe(0);
  expect(await failure(() => transaction.patch(table, id, new Map([["a", 2]])))).toMatch(
    /^Failed to insert or update a document in table "t" because it does not match the schema: Object contains extra field `a`/,
  );
});

test("E-E-13 changing a missing document names the operation and the id", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const missing = "0F".repeat(16) as InternalId;
  const id = encodeDocumentId(table.number, missing);
  const transaction = database.begin();
  const texts = [
    await failure(() => transaction.patch(table, missing, new Map())),
    await failure(() => transaction.replace(table, missing, {})),
    await failure(() => transaction.remove(table, missing)),
  ];
  expect(texts).toEqual(["Update", "Replace", "Delete"].map((verb) => `${verb} on nonexistent document ID ${id}`));
  expect(dependsOn(transaction.readSet(), tableRef(table.id), missing)).toBe(true);
});

test("P-D-3 creation times advance by one representable number, in nested calls too", () => {
  const transaction = new TestDatabase().begin();
  const ids = [transaction.insert("", "t", {}), transaction.insert("", "t", {})];
  const nested = transaction.begin();
  ids.push(transaction.insert("child", "t", {}));
  nested.commit();
  expect(new Set(ids).size).toBe(3);
  const times = transaction.writeSet().documents.map(({ after }) => JSON.parse(after?.json ?? "")._creationTime);
  const step = 2 ** -12;
  expect(times).toEqual([0, step, 2 * step].map((offset) => 1_700_000_000_000 + offset));
});

test("P-D-3 system fields may be repeated, not changed", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const id = database.add(table, { a: 1 });
  const transaction = database.begin();
  await transaction.replace(table, internalId(id), { _id: id, _creationTime: 1001, a: 2 });
  expect(await failure(() => transaction.insert("", "t", { _id: "x" }))).toMatch(
    /^Provided document ID \w{32} doesn't match '_id' field "x"$/,
  );
  expect(await failure(() => transaction.patch(table, internalId(id), new Map([["_creationTime", 5]])))).toMatch(
    /^Provided creation time 1001\.0 doesn't match '_creationTime' field in \{/,
  );
  expect(await failure(() => transaction.insert("", "t", { _x: 1 }))).toMatch(/Field '_x' starts with an underscore/);
});

test("P-D-4 normalizeId knows the ids of its own table", () => {
  const database = new TestDatabase();
  const [t, u] = [database.table("t"), database.table("u")];
  const files = database.table("_storage");
  const id = database.add(t);
  const { tables } = database.begin("query");
  expect(normalizeId(tables, "", "t", id)).toBe(id);
  expect(normalizeId(tables, "", "u", id)).toBeNull();
  expect(normalizeId(tables, "", "none", id)).toBeNull();
  expect(normalizeId(tables, "child", "t", id)).toBeNull();
  expect(normalizeId(tables, "", "t", "nonsense")).toBeNull();
  expect(normalizeId(tables, "", "u", "AAAAAAAAAAAAAAAAAAAAAA")).toBe(encodeDocumentId(u.number, "00".repeat(16)));
  const file = encodeDocumentId(files.number, "11".repeat(16));
  expect(normalizeId(tables, "", "_storage", file)).toBe(file);
  expect(normalizeId(tables, "", "_tables", file)).toBeNull();
});

test("P-D-9 every read is in the read set, also when it finds nothing", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const transaction = database.begin("query");
  const missing = "AB".repeat(16) as InternalId;
  expect(await transaction.get(table, missing)).toBeNull();
  expect(transaction.readSet()).toEqual(new Map([["t1", [{ start: missing, end: `${missing}00` }]]]));
  await collect(transaction);
  expect(transaction.readSet().get("i1")).toEqual([{ start: "", end: null }]);
});

test("P-D-9 rows handed out ahead and not used are neither read nor counted", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  for (let i = 0; i < 10; i++) database.add(table, { i });
  const transaction = database.begin("query");
  const scope = transaction.scope();
  await scope.openQuery(5, parseQuery(ALL));
  expect((await scope.nextPage(5, 0, 8)).rows.length).toBe(8);
  expect(transaction.metrics().documentsRead.used).toBe(8);
  scope.closeQuery(5, 2);
  expect(transaction.metrics().documentsRead.used).toBe(2);
  const reads = transaction.readSet().get("i1");
  const [fromThird] = transaction.reader.reads.slice(-1);
  expect(fromThird).toMatchObject({ kind: "range", limit: 8 });
  expect(reads?.length).toBe(1);
  expect(reads?.[0]?.end).toMatch(/00$/);
  expect(scope.closeQuery(5)).toBe(false);
  expect(await failure(() => scope.nextPage(5, 0, 1))).toBe("in-progress query not found");
});

test("P-D-9 a write between two steps of a query is seen by the next step", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const ids = Array.from({ length: 4 }, (_, i) => database.add(table, { i }));
  const transaction = database.begin();
  const scope = transaction.scope();
  await scope.openQuery(1, parseQuery(ALL));
  await scope.nextPage(1, 0, 4);
  await transaction.remove(table, internalId(ids[1] ?? ""));
  await transaction.patch(table, internalId(ids[2] ?? ""), new Map([["i", "new"]]));
  const rest = await scope.nextPage(1, 1, 10);
  expect(rest.rows.map((row) => JSON.parse(row).i)).toEqual(["new", 3]);
});

test("QUERY1 take(0) reads nothing and counts nothing", async () => {
  const database = new TestDatabase();
  database.add(database.table("t"));
  const transaction = database.begin("query");
  expect(await collect(transaction, { ...ALL, operators: [{ limit: 0 }] })).toEqual([]);
  expect([transaction.reader.roundTrips, transaction.metrics().databaseQueries.used]).toEqual([0, 0]);
});

test("QUERY2 a limit is answered with one read of that many rows, and ends the stream with its last row", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  for (let i = 0; i < 100; i++) database.add(table, { i });
  const transaction = database.begin("query");
  const scope = transaction.scope();
  await scope.openQuery(1, parseQuery({ ...ALL, operators: [{ limit: 20 }] }));
  const page = await scope.nextPage(1, 0, 512);
  expect([page.rows.length, page.done]).toEqual([20, true]);
  expect(transaction.reader.reads).toMatchObject([{ limit: 20 }]);
});

test("QUERY3 a filter reads pages of growing size", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  for (let i = 0; i < 200; i++) database.add(table, { i });
  const transaction = database.begin("query");
  const filter = { $gte: [{ $field: "i" }, { $literal: 190 }] };
  expect((await collect(transaction, { ...ALL, operators: [{ filter }] })).length).toBe(10);
  expect(transaction.reader.reads.map((read) => (read.kind === "range" ? read.limit : 0))).toEqual([16, 32, 64, 128]);
});

test("QUERY4 pages are bounded by the average size of the rows", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  for (let i = 0; i < 40; i++) database.add(table, { text: "x".repeat(500_000), i });
  const transaction = database.begin("query");
  const scope = transaction.scope();
  await scope.openQuery(1, parseQuery(ALL));
  const first = await scope.nextPage(1, 0, 16);
  const second = await scope.nextPage(1, first.rows.length, 512);
  expect(first.rows.length).toBe(9);
  expect(second.rows.length).toBe(9);
  expect(transaction.reader.reads).toMatchObject([{ limit: 16 }, { limit: 8 }]);
});

test("QUERY5 reads of one turn share a round trip, and a document is fetched once", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const ids = Array.from({ length: 20 }, (_, i) => internalId(database.add(table, { i })));
  const transaction = database.begin();
  await Promise.all(ids.map((id) => transaction.get(table, id)));
  expect(transaction.reader.roundTrips).toBe(1);
  for (const id of ids) await transaction.patch(table, id, new Map([["i", -1]]));
  expect(transaction.reader.roundTrips).toBe(1);
  expect(transaction.metrics().documentsRead.used).toBe(20);
});

test("QUERY6 count counts stored and pending documents", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const ids = Array.from({ length: 5 }, () => database.add(table));
  const transaction = database.begin();
  transaction.insert("", "t", {});
  await transaction.remove(table, internalId(ids[0] ?? ""));
  expect(await transaction.scope().count("t")).toBe(5);
  expect(await transaction.scope().count("none")).toBe(0);
});

test("P-D-9 what is not found is only reported under the catalog of the snapshot", async () => {
  const database = new TestDatabase();
  const stale: SnapshotReader = {
    snapshotTs: null,
    read: async () => {
      throw new CatalogChangedError();
    },
    search: async () => {
      throw new CatalogChangedError();
    },
  };
  const scope = database.begin("query", { reader: stale }).scope();
  await expect(scope.openQuery(1, parseQuery(ALL))).rejects.toThrow(CatalogChangedError);
  const missing = { source: { type: "IndexRange", indexName: "t.by_a", range: [] }, operators: [] };
  await expect(scope.openQuery(2, parseQuery(missing))).rejects.toThrow(CatalogChangedError);
});

test("SUB1 a rolled back call takes its writes and its tables back, a kept one keeps them", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const id = internalId(database.add(table, { a: 0 }));
  const transaction = database.begin();
  await transaction.patch(table, id, new Map([["a", 1]]));
  const undone: string[] = [];
  const outer = transaction.begin();
  transaction.insert("", "kept", {});
  const inner = transaction.begin();
  transaction.insert("", "gone", {});
  await transaction.patch(table, id, new Map([["a", 2]]));
  transaction.onRollback(() => undone.push("inner"));
  inner.rollback();
  outer.commit();
  expect(undone).toEqual(["inner"]);
  expect(JSON.parse((await transaction.get(table, id)) ?? "").a).toBe(1);
  expect(transaction.tables.named("", "gone")).toBeNull();
  expect(transaction.writeSet().newTables.map((made) => made.table.name)).toEqual(["kept"]);
});

test("SUB2 a kept call inside a rolled back one is taken back too", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const id = internalId(database.add(table, { a: 0 }));
  const transaction = database.begin();
  const outer = transaction.begin();
  const inner = transaction.begin();
  await transaction.remove(table, id);
  inner.commit();
  outer.rollback();
  expect(await transaction.get(table, id)).not.toBeNull();
  expect(transaction.writeSet().documents).toEqual([]);
});

test("SUB3 a stale view sees the beginning of the transaction and leaves no dependencies", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const id = internalId(database.add(table, { a: 0 }));
  const transaction = database.begin();
  await transaction.patch(table, id, new Map([["a", 1]]));
  const before = transaction.readSet();
  const stale = transaction.staleView();
  expect(JSON.parse((await stale.get(table, id)) ?? "").a).toBe(0);
  expect(transaction.readSet()).toEqual(before);
  expect(transaction.metrics().documentsRead.used).toBe(1);
});

test("P-D-2 a query can't write", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const transaction = database.begin("query");
  expect(await failure(() => transaction.insert("", "t", {}))).toMatch(/^Queries can't write/);
  expect(await failure(() => transaction.remove(table, "00".repeat(16) as InternalId))).toMatch(/^Queries can't write/);
  expect(transaction.writeSet()).toEqual({ documents: [], newTables: [] });
});

test("P-D-1 components have tables of their own", async () => {
  const database = new TestDatabase();
  const app = database.table("t");
  const child = database.table("t", {}, "child");
  database.add(app, { from: "app" });
  database.add(child, { from: "child" });
  const scope = database.begin("query").scope("child");
  await scope.openQuery(1, parseQuery(ALL));
  expect((await scope.nextPage(1, 0, 10)).rows.map((row) => JSON.parse(row).from)).toEqual(["child"]);
});

test("COMMIT1 the commit timestamp replaces every placeholder, in nanoseconds, and nothing that looks like it", async () => {
  const database = new TestDatabase();
  const table = database.table("t", { by_at: ["at"] });
  const transaction = database.begin();
  const text = '{"$commitTs":null}';
  transaction.insert("", "t", { at: { $commitTs: null }, list: [{ $commitTs: null }], text });
  const own = {
    source: {
      type: "IndexRange",
      indexName: "t.by_at",
      range: [{ type: "Eq", fieldPath: "at", value: { $commitTs: null } }],
    },
    operators: [],
  };
  expect((await collect(transaction, own)).length).toBe(1);
  const [write] = resolveCommitTs(transaction.writeSet(), 1_700_000_000_000_001 as Timestamp).documents;
  const bytes = new Uint8Array(new BigInt64Array([1_700_000_000_000_001_000n]).buffer);
  const ts = { $integer: Buffer.from(bytes).toString("base64") };
  expect(write?.after?.value).toMatchObject({ at: ts, list: [ts], text });
  expect(JSON.parse(write?.after?.json ?? "")).toEqual(write?.after?.value);
  expect(write?.after?.hasCommitTs).toBe(false);
  const { entries } = indexUpdates(
    database.catalog(),
    write ?? { tableId: table.id, id: "" as InternalId, before: null, after: null },
  );
  expect(entries.map(({ key }) => key.slice(0, 2))).toEqual(["0D", "0C"]);
});

test("INDEX1 a change writes entries for changed keys only and logs every key once", async () => {
  const database = new TestDatabase();
  const table = database.table("t", { by_a: ["a"], by_b: ["b"] });
  const [byTime, byA, byB] = database.indexes;
  const filling = database.index(table, "by_c", { type: "database", fields: ["c"] }, { state: "backfilling" });
  database.index(table, "text", { type: "search", searchField: "a", filterFields: [] });
  const id = internalId(database.add(table, { a: 1, b: 1, c: 1 }));
  const transaction = database.begin();
  await transaction.patch(
    table,
    id,
    new Map([
      ["b", 2],
      ["c", 2],
    ]),
  );
  const [write] = transaction.writeSet().documents;
  if (write === undefined) throw new Error("No write");
  const { entries, keys } = indexUpdates(database.catalog(), write);
  expect(entries.map(({ indexId, deleted }) => [indexId, deleted])).toEqual([
    [byB?.id, true],
    [byB?.id, false],
    [filling.id, true],
    [filling.id, false],
  ]);
  expect(keys.map(([ref]) => ref)).toEqual([
    tableRef(table.id),
    ...[byTime, byA, byB, byB, filling, filling].map((index) => (index === undefined ? "" : indexRef(index.id))),
  ]);
  expect(new Set(keys.map(String)).size).toBe(keys.length);
});

const TINY = { ...DEFAULT_TRANSACTION_LIMITS, documentsWritten: 2 };

test("E-F-14 SUB4 a roll-back gives back what was written, not what was read", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const id = internalId(database.add(table));
  const transaction = database.begin("mutation", { limits: TINY });
  const nested = transaction.begin();
  transaction.insert("", "t", {});
  transaction.chargeScheduled(100);
  await transaction.get(table, id);
  nested.rollback();
  const { documentsWritten, bytesWritten, functionsScheduled, documentsRead } = transaction.metrics();
  expect([documentsWritten.used, bytesWritten.used, functionsScheduled.used, documentsRead.used]).toEqual([0, 0, 0, 1]);
  transaction.insert("", "t", {});
  transaction.insert("", "t", {});
  expect(await failure(() => transaction.insert("", "t", {}))).toBe(
    "Too many writes in a single function execution (limit: 2)",
  );
  expect(transaction.writeSet().documents.length).toBe(2);
});
