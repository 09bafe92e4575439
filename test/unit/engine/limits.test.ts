import { expect, test } from "vitest";
import { DEFAULT_TRANSACTION_LIMITS, type Metric, type TransactionLimits } from "../../../src/engine/limits.ts";
import { approaching, limitError, usageWarnings } from "../../../src/engine/limit-texts.ts";
import type { InternalId } from "../../../src/engine/names.ts";
import { parseQuery } from "../../../src/engine/query/definition.ts";
import { UsageMeter } from "../../../src/engine/usage.ts";
import type { JsonValue } from "../../../src/shared/json.ts";
import { TestDatabase, type TestTransaction, failure, internalId } from "./support.ts";

const HELP =
  "Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.";

function limits(changes: Partial<TransactionLimits>): TransactionLimits {
  return { ...DEFAULT_TRANSACTION_LIMITS, ...changes };
}

test.each<[Metric, string, string]>([
  [
    "documentsRead",
    "PaginationLimit",
    `Too many documents read in a single function execution (limit: 32000). ${HELP}`,
  ],
  [
    "bytesRead",
    "PaginationLimit",
    `Too many bytes read in a single function execution (limit: 16777216 bytes). ${HELP}`,
  ],
  ["databaseQueries", "PaginationLimit", `Too many reads in a single function execution (limit: 4096). ${HELP}`],
  ["documentsWritten", "BadRequest", "Too many writes in a single function execution (limit: 16000)"],
  ["bytesWritten", "BadRequest", "Too many bytes written in a single function execution (limit: 16 MiB)"],
  ["functionsScheduled", "BadRequest", "Too many functions scheduled by this mutation (limit: 1000)"],
  [
    "scheduledFunctionArgsBytes",
    "BadRequest",
    "Too large total size of the arguments of scheduled functions from this mutation (limit: 16777216 bytes)",
  ],
])("E-F-14 E-F-13 %s has its class and text", (metric, errorClass, text) => {
  const error = limitError(metric, DEFAULT_TRANSACTION_LIMITS[metric]);
  expect([error.errorClass, error.message, error.catchable]).toEqual([errorClass, text, true]);
});

async function scan(transaction: TestTransaction, operators: JsonValue[] = []): Promise<number> {
  const scope = transaction.scope();
  await scope.openQuery(0, parseQuery({ source: { type: "FullTableScan", tableName: "t" }, operators }));
  let count = 0;
  for (let consumed = 0; ;) {
    const { rows, done } = await scope.nextPage(0, consumed, 512);
    count += rows.length;
    consumed = rows.length;
    if (done) return count;
  }
}

const FALSE = { filter: { $literal: false } };

test("E-F-14 as many documents as the limit may be scanned, one more may not, filtered or not", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  for (let i = 0; i < 100; i++) database.add(table, { i });
  expect(await scan(database.begin("query", { limits: limits({ documentsRead: 100 }) }), [FALSE])).toBe(0);
  const transaction = database.begin("query", { limits: limits({ documentsRead: 99 }) });
  expect(await failure(() => scan(transaction, [FALSE]))).toMatch(/\(limit: 99\)/);
  expect(await failure(() => scan(database.begin("query", { limits: limits({ documentsRead: 99 }) })))).toMatch(
    /^Too many documents read .*\(limit: 99\)/,
  );
});

test("E-F-14 a page fetched ahead stops before a limit that user code may never reach", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  for (let i = 0; i < 10; i++) database.add(table, { i });
  const transaction = database.begin("query", { limits: limits({ documentsRead: 6 }) });
  const scope = transaction.scope();
  await scope.openQuery(0, parseQuery({ source: { type: "FullTableScan", tableName: "t" }, operators: [] }));
  const page = await scope.nextPage(0, 0, 512);
  expect([page.rows.length, page.done]).toEqual([6, false]);
  expect(await failure(() => scope.nextPage(0, 6, 512))).toMatch(/^Too many documents read/);
});

test("E-F-14 bytes read and index ranges are limited, a get of nothing is a range", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const big = internalId(database.add(table, { text: "x".repeat(1000) }));
  const transaction = database.begin("query", { limits: limits({ bytesRead: 1500, databaseQueries: 3 }) });
  await transaction.get(table, big);
  expect(await failure(() => transaction.get(table, big))).toMatch(/^Too many bytes read .*\(limit: 1500 bytes\)/);
  await transaction.get(table, "00".repeat(16) as InternalId);
  expect(await failure(() => transaction.get(table, "00".repeat(16) as InternalId))).toMatch(
    /^Too many reads .*\(limit: 3\)/,
  );
  expect(transaction.metrics().bytesRead.remaining).toBeLessThan(0);
});

test("E-F-14 a write beyond the limit does not happen, and the transaction can go on", async () => {
  const database = new TestDatabase();
  const transaction = database.begin("mutation", { limits: limits({ bytesWritten: 2000 }) });
  transaction.insert("", "t", { text: "x".repeat(1500) });
  expect(await failure(() => transaction.insert("", "t", { text: "x".repeat(1500) }))).toBe(
    "Too many bytes written in a single function execution (limit: 1.95 KiB)",
  );
  transaction.insert("", "t", {});
  expect(transaction.writeSet().documents.length).toBe(2);
});

test("E-F-1 E-F-3 a document over 1 MiB or nested too deeply is not written", async () => {
  const transaction = new TestDatabase().begin();
  expect(await failure(() => transaction.insert("", "t", { text: "x".repeat(1024 * 1024) }))).toBe(
    "Value is too large (1.00 MiB > maximum size 1 MiB)",
  );
  let nested: JsonValue = 1;
  for (let i = 0; i < 16; i++) nested = [nested];
  expect(await failure(() => transaction.insert("", "t", { nested }))).toMatch(
    /isn't a valid document: Document is too nested \(nested 17 levels deep > maximum nesting 16\)$/,
  );
  expect(transaction.writeSet().documents).toEqual([]);
});

test("E-F-9 the number of tables is limited", async () => {
  const database = new TestDatabase();
  for (let i = 0; i < 10_000; i++) {
    database.tables.push({ ...database.nextTable("", `t${i}`) });
  }
  const transaction = database.begin();
  transaction.insert("", "t9999", {});
  expect(await failure(() => transaction.insert("", "one_more", {}))).toBe("Number of tables cannot exceed 10000.");
});

test("E-F-9 D-8 a lowered number of tables names its setting", async () => {
  const transaction = new TestDatabase().begin("mutation", { maxTables: 0, maxTablesNote: " [CONVECTION_TABLES=0]" });
  expect(await failure(() => transaction.insert("", "t", {}))).toBe(
    "Number of tables cannot exceed 0. [CONVECTION_TABLES=0]",
  );
});

test("SUB5 a budget is a ceiling from here on, named as the callee sees it, and never above the ceiling around it", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const id = internalId(database.add(table));
  const transaction = database.begin("query", { limits: limits({ documentsRead: 10 }) });
  const get = () => transaction.get(table, id);
  await get();
  const outer = transaction.begin({ documentsRead: 3 });
  const inner = transaction.begin({ documentsRead: 100 });
  for (let i = 0; i < 3; i++) await get();
  expect(await failure(get)).toMatch(/^Too many documents read in a single function execution \(limit: 3\)/);
  inner.commit();
  expect(transaction.metrics().documentsRead).toEqual({ used: 5, remaining: -1 });
  outer.rollback();
  expect(transaction.metrics().documentsRead).toEqual({ used: 5, remaining: 5 });
  await get();
});

test("EXE5 the error of a deployment's limit ends with the name of its setting, that of a caller's budget does not", () => {
  const usage = new UsageMeter(limits({ documentsWritten: 7 }), { documentsWritten: " [NAME=7]" });
  usage.enter({ documentsWritten: 2 });
  usage.chargeWrite(1);
  usage.chargeWrite(1);
  expect(() => usage.chargeWrite(1)).toThrow(/\(limit: 2\)$/);
  usage.leave("kept");
  usage.enter({ documentsWritten: 100 });
  for (let i = 2; i < 7; i++) usage.chargeWrite(1);
  expect(() => usage.chargeWrite(1)).toThrow(/\(limit: 7\) \[NAME=7\]$/);
});

test("SUB6 a budget that is missing leaves the limit as it is", () => {
  const usage = new UsageMeter(limits({ documentsWritten: 7 }));
  usage.enter({ documentsRead: 1 });
  expect(usage.remaining("documentsWritten")).toBe(7);
  usage.leave("kept");
  expect(() => usage.leave("kept")).toThrow(/scope to leave/);
});

test("E-F-18 beyond 80 % of a limit there is a warning, at 75 % for index ranges, none over the limit", () => {
  const used = {
    documentsRead: 32_000,
    bytesRead: 0,
    databaseQueries: 3_073,
    documentsWritten: 13_000,
    bytesWritten: 13_421_773,
    functionsScheduled: 800,
    scheduledFunctionArgsBytes: 16_777_217,
    filesWritten: 0,
    fileWriteBytes: 0,
    filesRead: 0,
    fileReadBytes: 0,
  };
  expect(usageWarnings(used, DEFAULT_TRANSACTION_LIMITS)).toEqual([
    {
      code: "TooManyDocumentsRead",
      message: `Many documents read in a single function execution (actual: 32000, limit: 32000). ${HELP}`,
    },
    { code: "TooManyReads", message: `Many reads in a single function execution (actual: 3073, limit: 4096). ${HELP}` },
    { code: "TooManyWrites", message: "Many writes in a single function execution (actual: 13000, limit: 16000)." },
    {
      code: "TooManyBytesWritten",
      message: "Many bytes written in a single function execution (actual: 13421773 bytes, limit: 16777216 bytes).",
    },
  ]);
  expect(approaching("x", 80, 100)).toBeNull();
});

test("E-F-18 a large document and a deeply nested one are warned of by id", () => {
  const transaction = new TestDatabase().begin();
  let nested: JsonValue = 1;
  for (let i = 0; i < 12; i++) nested = [nested];
  const deep = transaction.insert("", "t", { nested });
  const large = transaction.insert("", "t", { text: "x".repeat(900_000) });
  const messages = transaction.warnings().map(({ message }) => message);
  expect(messages).toEqual([
    expect.stringMatching(
      `^Large document written with ID "${large}" \\(actual: \\d+ bytes, limit: 1048576 bytes\\)\\.$`,
    ),
    `Deeply nested document written with ID "${deep}" (actual: 13, limit: 16).`,
  ]);
});
