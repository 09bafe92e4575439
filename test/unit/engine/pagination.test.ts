import { expect, test } from "vitest";
import type { Page, PaginationOptions } from "../../../src/engine/pagination.ts";
import { parseQuery } from "../../../src/engine/query/definition.ts";
import { CodedError } from "../../../src/shared/coded-error.ts";
import type { JsonValue } from "../../../src/shared/json.ts";
import type { TableRow } from "../../../src/engine/persistence.ts";
import { DEFAULT_TRANSACTION_LIMITS } from "../../../src/engine/limits.ts";
import { TestDatabase, failure } from "./support.ts";

const SCAN = { source: { type: "FullTableScan", tableName: "t", order: null }, operators: [] };
const DESC = { source: { type: "IndexRange", indexName: "t.by_n", range: [], order: "desc" }, operators: [] };
const NONE = { ...SCAN, operators: [{ filter: { $literal: false } }] };

function numbered(count: number): { database: TestDatabase; table: TableRow } {
  const database = new TestDatabase();
  const table = database.table("t", { by_n: ["n"] });
  for (let n = 0; n < count; n++) database.add(table, { n });
  return { database, table };
}

function options(changes: Partial<PaginationOptions> = {}): PaginationOptions {
  return { cursor: null, endCursor: null, pageSize: 10, maximumRowsRead: null, maximumBytesRead: null, ...changes };
}

async function paginate(
  database: TestDatabase,
  changes: Partial<PaginationOptions> = {},
  query: JsonValue = SCAN,
  journal: string | null = null,
): Promise<Page & { readonly n: number[]; readonly journal: string | null }> {
  const scope = database.begin("query").scope("", journal);
  const page = await scope.queryPage(parseQuery(query), options(changes));
  return { ...page, n: page.page.map((text) => JSON.parse(text).n), journal: scope.journal() };
}

function upTo(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

test("P-D-8 25 rows by 10 are pages of 10, 10 and 5, the last one done", async () => {
  const { database } = numbered(25);
  const first = await paginate(database);
  const second = await paginate(database, { cursor: first.continueCursor });
  const third = await paginate(database, { cursor: second.continueCursor });
  expect([first.n, second.n, third.n]).toEqual([upTo(0, 10), upTo(10, 20), upTo(20, 25)]);
  expect([first.isDone, second.isDone, third.isDone]).toEqual([false, false, true]);
  const beyond = await paginate(database, { cursor: third.continueCursor });
  expect([beyond.n, beyond.isDone, beyond.continueCursor]).toEqual([[], true, third.continueCursor]);
});

test("P-D-8 P6 the same position gives the same cursor text", async () => {
  const { database } = numbered(25);
  expect((await paginate(database)).continueCursor).toBe((await paginate(database)).continueCursor);
});

test("P-D-8 a page that ends with the last row is not done until it has been looked beyond", async () => {
  const { database } = numbered(10);
  const first = await paginate(database);
  expect([first.n.length, first.isDone]).toEqual([10, false]);
  const second = await paginate(database, { cursor: first.continueCursor });
  expect([second.n, second.isDone]).toEqual([[], true]);
});

test("P-D-8 pages in descending order go down", async () => {
  const { database } = numbered(25);
  const first = await paginate(database, {}, DESC);
  const second = await paginate(database, { cursor: first.continueCursor }, DESC);
  expect(first.n).toEqual(upTo(15, 25).toReversed());
  expect(second.n).toEqual(upTo(5, 15).toReversed());
  const both = await paginate(database, { endCursor: second.continueCursor }, DESC);
  expect(both.n).toEqual(upTo(5, 25).toReversed());
});

test("P-D-8 P1 with its journal a page keeps its end while rows come and go", async () => {
  const { database, table } = numbered(25);
  const first = await paginate(database, {}, DESC);
  const second = await paginate(database, { cursor: first.continueCursor }, DESC);
  database.add(table, { n: 20.5 });
  database.add(table, { n: 14.5 });
  const again = await paginate(database, {}, DESC, first.journal);
  expect(again.n).toEqual([24, 23, 22, 21, 20.5, 20, 19, 18, 17, 16, 15]);
  expect(again.continueCursor).toBe(first.continueCursor);
  const next = await paginate(database, { cursor: first.continueCursor }, DESC, second.journal);
  expect(next.n).toEqual([14.5, ...upTo(5, 15).toReversed()]);
});

test("P-D-8 P3 an end cursor reads (cursor, endCursor] whatever the page size, also when nothing is left", async () => {
  const { database, table } = numbered(25);
  const first = await paginate(database);
  const second = await paginate(database, { cursor: first.continueCursor });
  const both = await paginate(database, { endCursor: second.continueCursor, pageSize: 1 });
  expect([both.n, both.continueCursor, both.isDone]).toEqual([upTo(0, 20), second.continueCursor, false]);
  const rest = { cursor: second.continueCursor, endCursor: second.continueCursor };
  expect((await paginate(database, rest)).n).toEqual([]);
  database.documents.get(table.id)?.clear();
  const emptied = await paginate(database, { cursor: first.continueCursor, endCursor: second.continueCursor });
  expect([emptied.n, emptied.continueCursor, emptied.isDone]).toEqual([[], second.continueCursor, false]);
});

test("P-D-8 a filtered page continues behind the last row scanned, not the last one kept", async () => {
  const { database } = numbered(25);
  const even = {
    ...SCAN,
    operators: [{ filter: { $eq: [{ $mod: [{ $field: "n" }, { $literal: 2 }] }, { $literal: 0 }] } }],
  };
  const first = await paginate(database, { pageSize: 3 }, even);
  const second = await paginate(database, { pageSize: 100, cursor: first.continueCursor }, even);
  expect(first.n).toEqual([0, 2, 4]);
  expect(second.n).toEqual([6, 8, 10, 12, 14, 16, 18, 20, 22, 24]);
  expect(second.isDone).toBe(true);
});

test("P-D-8 maximumRowsRead cuts a page short and asks for a split", async () => {
  const { database } = numbered(25);
  const page = await paginate(database, { maximumRowsRead: 4 });
  expect([page.n, page.isDone, page.pageStatus]).toEqual([upTo(0, 4), false, "SplitRequired"]);
  expect((await paginate(database, { cursor: page.continueCursor })).n[0]).toBe(4);
  const nothing = await paginate(database, { maximumRowsRead: 4 }, NONE);
  expect([nothing.n, nothing.isDone, nothing.pageStatus]).toEqual([[], false, "SplitRequired"]);
});

test("P-D-8 maximumBytesRead cuts a page short after at least one row", async () => {
  const { database } = numbered(25);
  const page = await paginate(database, { maximumBytesRead: 1 });
  expect([page.n, page.pageStatus]).toEqual([[0], "SplitRequired"]);
});

test("P-D-8 beyond three quarters of a cap a split is recommended", async () => {
  const { database } = numbered(25);
  expect((await paginate(database, { maximumRowsRead: 13 })).pageStatus).toBe("SplitRecommended");
  expect((await paginate(database, { maximumRowsRead: 14 })).pageStatus).toBeNull();
});

test("P-D-8 more than 6144 documents in a page: a split is recommended", async () => {
  const { database } = numbered(6145);
  expect((await paginate(database, { pageSize: 6145 })).pageStatus).toBe("SplitRecommended");
  expect((await paginate(database, { pageSize: 6144 })).pageStatus).toBeNull();
});

test("P-D-8 P4 the split cursor halves the page; two rows can't be halved", async () => {
  const { database } = numbered(25);
  const page = await paginate(database);
  const { splitCursor, continueCursor } = page;
  const left = await paginate(database, { endCursor: splitCursor });
  const right = await paginate(database, { cursor: splitCursor, endCursor: continueCursor });
  expect([...left.n, ...right.n]).toEqual(page.n);
  expect([left.n.length, right.n.length]).toEqual([6, 4]);
  expect((await paginate(database, { pageSize: 2 })).splitCursor).toBeNull();
});

test("P-D-8 a limit of the transaction ends a page, and fails only a page without any row", async () => {
  const { database } = numbered(25);
  const limits = { ...DEFAULT_TRANSACTION_LIMITS, documentsRead: 4 };
  const transaction = database.begin("query", { limits });
  const page = await transaction.scope().queryPage(parseQuery(SCAN), options());
  expect([page.page.length, page.pageStatus]).toEqual([4, "SplitRequired"]);
  expect(await failure(() => transaction.scope().queryPage(parseQuery(SCAN), options()))).toMatch(
    /^Too many documents read in a single function execution \(limit: 4\)\. Consider/,
  );
});

test("P-D-8 a missing table gives an empty page that depends on the table's name", async () => {
  const database = new TestDatabase();
  const transaction = database.begin("query");
  const page = await transaction.scope().queryPage(parseQuery(SCAN), options());
  expect([page.page, page.isDone]).toEqual([[], true]);
  expect([...transaction.readSet().keys()]).toEqual(["tables"]);
  expect(transaction.reader.roundTrips).toBe(1);
});

test.each<[Partial<PaginationOptions>, string]>([
  [{ pageSize: 0 }, "Must request at least 1 document while paginating"],
  [{ pageSize: 32_001 }, "Requested too many items: 32001"],
  [{ maximumRowsRead: 0 }, "maximumRowsRead and maximumBytesRead must be greater than 0"],
  [{ maximumBytesRead: 0 }, "maximumRowsRead and maximumBytesRead must be greater than 0"],
  [{ cursor: "nonsense" }, "Failed to parse cursor"],
  [{ endCursor: "[1,2,3]" }, "Failed to parse cursor"],
])("E-F-15 %j is refused with its text", async (changes, text) => {
  expect(await failure(() => paginate(numbered(1).database, changes))).toBe(text);
});

test("E-F-15 P5 a cursor of another query is a ConvexError by which clients start over", async () => {
  const { database } = numbered(25);
  const { continueCursor } = await paginate(database);
  const error = await paginate(database, { cursor: continueCursor }, DESC).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CodedError);
  expect(error).toMatchObject({
    code: "InvalidCursor",
    message:
      "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query.",
    data: '{"isConvexSystemError":true,"paginationError":"InvalidCursor"}',
  });
});

test("P-D-8 a journal of an older version of the function is left aside", async () => {
  const { database } = numbered(25);
  const { journal } = await paginate(database);
  expect((await paginate(database, {}, DESC, journal)).n).toEqual(upTo(15, 25).toReversed());
  expect((await paginate(database, {}, DESC, "nonsense")).n.length).toBe(10);
});

test("E-F-15 P8 one function paginates once, another one called by it may too", async () => {
  const { database } = numbered(25);
  const transaction = database.begin("query");
  const scope = transaction.scope();
  await scope.queryPage(parseQuery(SCAN), options());
  expect(await failure(() => scope.queryPage(parseQuery(SCAN), options()))).toBe(
    "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function.",
  );
  expect((await transaction.scope().queryPage(parseQuery(SCAN), options())).page.length).toBe(10);
});

test("E-F-15 queries of components can't paginate", async () => {
  const scope = numbered(1).database.begin("query").scope("child");
  expect(await failure(() => scope.queryPage(parseQuery(SCAN), options()))).toBe(
    "paginate() is only supported in the app. Learn more at https://docs.convex.dev/components/authoring#pagination",
  );
});

test("P-C-4 P-D-8 a mutation of a component pages through its own table, not the app's of the same name", async () => {
  const { database } = numbered(3);
  const own = database.table("t", {}, "child");
  for (const n of [10, 11, 12]) database.add(own, { n });
  const page = async (cursor: string | null) => {
    const scope = database.begin("mutation").scope("child");
    const { page: rows, ...rest } = await scope.queryPage(parseQuery(SCAN), options({ pageSize: 2, cursor }));
    return { ...rest, n: rows.map((text) => JSON.parse(text).n) };
  };
  const first = await page(null);
  const second = await page(first.continueCursor);
  expect([first.n, second.n, second.isDone]).toEqual([[10, 11], [12], true]);
});

test("P-D-8 a page's read set ends with the page", async () => {
  const { database, table } = numbered(25);
  const transaction = database.begin("query");
  await transaction.scope().queryPage(parseQuery(SCAN), options({ pageSize: 5 }));
  const [ref, intervals] = [...transaction.readSet()][0] ?? [];
  expect(ref).toBe(`i${database.indexes.find(({ tableId }) => tableId === table.id)?.id}`);
  expect(intervals?.length).toBe(1);
  expect(intervals?.[0]?.end).not.toBeNull();
});
