import { expect, test } from "vitest";
import type { FunctionScope } from "../../../src/engine/function-scope.ts";
import type { TableRow } from "../../../src/engine/persistence.ts";
import { SyscallArguments } from "../../../src/runtime/syscalls/arguments.ts";
import { parseBudget } from "../../../src/runtime/syscalls/budget.ts";
import { DOCUMENT_SYSCALLS } from "../../../src/runtime/syscalls/db.ts";
import { QUERY_SYSCALLS } from "../../../src/runtime/syscalls/query.ts";
import type { JsonObject } from "../../../src/shared/json.ts";
import { encodeDocumentId } from "../../../src/values/document-id.ts";
import { TestDatabase, failure } from "./support.ts";

const VERSION = "1.48.0";
const UNKNOWN = encodeDocumentId(12_345, "00".repeat(16));

class Host {
  readonly database = new TestDatabase();
  readonly t: TableRow = this.database.table("t", { by_n: ["n"] });
  readonly files: TableRow = this.database.table("_storage");
  readonly modules: TableRow = this.database.table("_modules");
  readonly id = this.database.add(this.t, { n: 1 });
  readonly file = this.database.add(this.files, { sha256: "x" });
  #scope: FunctionScope | null = null;

  get scope(): FunctionScope {
    this.#scope ??= this.database.begin().scope();
    return this.#scope;
  }

  async call(op: string, args: JsonObject): Promise<unknown> {
    const syscall = DOCUMENT_SYSCALLS[op] ?? QUERY_SYSCALLS[op];
    if (syscall === undefined) throw new Error(`No syscall ${op}`);
    return JSON.parse(await syscall(this.scope, args));
  }
}

test("P-D-2 documents go through a life by syscalls", async () => {
  const host = new Host();
  const inserted = await host.call("1.0/insert", { table: "t", value: { n: { $integer: "AQAAAAAAAAA=" } } });
  expect(inserted).toEqual({ _id: expect.stringMatching(/^\w{32}$/) });
  const { _id: id } = inserted as { _id: string };
  expect(await host.call("1.0/get", { id, isSystem: false, version: VERSION })).toMatchObject({ _id: id });
  expect(await host.call("1.0/shallowMerge", { id, value: { n: { $undefined: null }, m: 2 } })).toEqual({
    _id: id,
    _creationTime: expect.any(Number),
    m: 2,
  });
  expect(await host.call("1.0/replace", { id, table: "t", value: { k: null } })).toMatchObject({ k: null });
  expect(await host.call("1.0/count", { table: "t" })).toBe(2);
  expect(await host.call("1.0/remove", { id, table: null })).toMatchObject({ k: null });
  expect(await host.call("1.0/get", { id, isSystem: false, version: VERSION })).toBeNull();
});

test("P-D-12 db.system reads virtual system tables, and only these", async () => {
  const host = new Host();
  const get = (id: string, isSystem: boolean) => host.call("1.0/get", { id, isSystem, version: VERSION });
  expect(await get(host.file, true)).toMatchObject({ sha256: "x" });
  expect(await failure(() => get(host.id, true))).toBe("User tables cannot be accessed with db.system.");
  expect(await failure(() => get(host.file, false))).toBe("System tables can only be accessed with db.system.");
  expect(await get(host.database.add(host.modules), true)).toBeNull();
  expect(await get(UNKNOWN, false)).toBeNull();
  const hidden = { source: { type: "FullTableScan", tableName: "_modules" }, operators: [] };
  const page = await host.call("convection/queryPage", { queryId: 1, query: hidden, consumed: 0, limit: 16 });
  expect(page).toEqual({ rows: [], done: true });
});

const MISSING = encodeDocumentId(10_001, "00".repeat(16));

test.each<[string, (host: Host) => JsonObject, string | RegExp]>([
  [
    "1.0/get",
    () => ({ id: "x", isSystem: false }),
    "Invalid argument `id` for `db.get`: Unable to decode ID: Invalid ID length 1",
  ],
  [
    "1.0/get",
    () => ({ id: "x", isSystem: true }),
    "Invalid argument `id` for `db.system.get`: Unable to decode ID: Invalid ID length 1",
  ],
  ["1.0/get", () => ({ isSystem: false }), "Invalid arguments for `db.get`: missing field `id`"],
  ["1.0/get", ({ id }) => ({ id, isSystem: false, version: "x" }), /^Invalid argument `version` for `db.get`: /],
  [
    "1.0/get",
    ({ id }) => ({ id, isSystem: false, table: "u" }),
    'Invalid argument `id` for `db.get`: expected to be an Id<"u">, got Id<"t"> instead.',
  ],
  [
    "1.0/insert",
    () => ({ table: "1a", value: {} }),
    "Invalid argument `table` for `db.insert`: Invalid first character '1' in 1a: Identifiers must start with an alphabetic character or underscore",
  ],
  [
    "1.0/insert",
    () => ({ table: "t", value: [] }),
    "Invalid argument `value` for `db.insert`: Value must be an Object",
  ],
  [
    "1.0/insert",
    () => ({ table: "t", value: { $integer: "AQAAAAAAAAA=" } }),
    "Invalid argument `value` for `db.insert`: Value must be an Object",
  ],
  ["1.0/insert", () => ({ table: "_t", value: {} }), "System tables can only be accessed with db.system."],
  [
    "1.0/shallowMerge",
    () => ({ id: "x", value: {} }),
    "Invalid argument `id` for `db.patch`: Unable to decode ID: Invalid ID length 1",
  ],
  [
    "1.0/replace",
    () => ({ id: UNKNOWN, value: {} }),
    `Invalid argument \`id\` for \`db.replace\`: Table for ID "${UNKNOWN}" not found`,
  ],
  [
    "1.0/remove",
    ({ id }) => ({ id, table: "u" }),
    'Invalid argument `id` for `db.delete`: expected to be an Id<"u">, got Id<"t"> instead.',
  ],
  ["1.0/remove", ({ file }) => ({ id: file }), "System tables can only be accessed with db.system."],
  ["1.0/remove", () => ({ id: MISSING }), `Delete on nonexistent document ID ${MISSING}`],
  ["1.0/count", () => ({ table: "" }), "Invalid argument `table` for `db.count`: Identifier cannot be empty"],
  [
    "convection/queryPage",
    () => ({ queryId: 1, query: { source: { type: "x" }, operators: [] }, consumed: 0, limit: 1 }),
    'Invalid argument `query` for `queryStream`: unknown source type "x"',
  ],
  [
    "convection/queryPage",
    () => ({
      queryId: 1,
      query: { source: { type: "FullTableScan", tableName: "a-b", order: null }, operators: [] },
      consumed: 0,
      limit: 1,
    }),
    "Invalid argument `query` for `queryStream`: Identifier a-b has invalid character '-': Identifiers can only contain alphanumeric characters or underscores",
  ],
  ["convection/queryPage", () => ({ queryId: 9, consumed: 0, limit: 1 }), "in-progress query not found"],
  [
    "1.0/queryPage",
    () => ({ query: { source: {}, operators: [] }, cursor: null, endCursor: null, pageSize: 1 }),
    "Invalid argument `query` for `queryPage`: unknown source type null",
  ],
  [
    "1.0/queryPage",
    () => ({
      query: { source: { type: "FullTableScan", tableName: "t" }, operators: [] },
      cursor: null,
      pageSize: 1.5,
    }),
    "Invalid argument `pageSize` for `queryPage`: expected an integer",
  ],
])("E-E-8 %s refuses wrong arguments with its text (%#)", async (op, args, text) => {
  const host = new Host();
  const message = await failure(() => host.call(op, args(host)));
  if (typeof text === "string") expect(message).toBe(text);
  else expect(message).toMatch(text);
  expect(host.scope.transaction.writeSet().documents).toEqual([]);
});

test("P-D-5 a stream's rows come as pages, and cleaning up says whether it was open", async () => {
  const host = new Host();
  host.database.add(host.t, { n: 2 });
  const query = { source: { type: "IndexRange", indexName: "t.by_n", range: [], order: "desc" }, operators: [] };
  const first = await host.call("convection/queryPage", { queryId: 3, query, consumed: 0, limit: 1 });
  expect(first).toMatchObject({ rows: [{ n: 2 }], done: false });
  const second = await host.call("convection/queryPage", { queryId: 3, consumed: 1, limit: 16 });
  expect(second).toMatchObject({ rows: [{ n: 1 }], done: true });
  expect(await host.call("convection/queryCleanup", { queryId: 3 })).toBe(true);
  expect(await host.call("convection/queryCleanup", { queryId: 3 })).toBe(false);
});

test("P-D-8 queryPage answers with the five members of the package", async () => {
  const host = new Host();
  const query = { source: { type: "FullTableScan", tableName: "t", order: null }, operators: [] };
  const args = { query, cursor: null, endCursor: null, pageSize: 5, maximumRowsRead: null, version: VERSION };
  expect(await host.call("1.0/queryPage", args)).toEqual({
    page: [{ _id: host.id, _creationTime: expect.any(Number), n: 1 }],
    isDone: true,
    continueCursor: expect.any(String),
    splitCursor: null,
    pageStatus: null,
  });
});

test("P-F-20 the metrics of a transaction have all members of the package's type", async () => {
  const host = new Host();
  await host.call("1.0/insert", { table: "t", value: {} });
  const metrics = await host.call("1.0/getTransactionMetrics", {});
  expect(metrics).toMatchObject({
    documentsWritten: { used: 1, remaining: 15_999 },
    documentsRead: { used: 0, remaining: 32_000 },
    databaseQueries: { used: 0, remaining: 4096 },
    filesRead: { used: 0, remaining: 100 },
  });
  expect(Object.keys(metrics as object).length).toBe(11);
});

test("SUB7 a budget takes the metrics it knows and refuses what is no number", () => {
  const parse = (transactionLimits: JsonObject) => parseBudget(new SyscallArguments({ transactionLimits }, "runUdf"));
  expect(parse({ documentsRead: 5, filesRead: 1, bytesRead: null })).toEqual({ documentsRead: 5, filesRead: 1 });
  expect(() => parse({ bytesRead: "1" })).toThrow("Invalid argument `transactionLimits` for `runUdf`");
});
