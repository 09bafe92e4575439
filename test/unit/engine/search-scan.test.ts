import { beforeEach, expect, test } from "vitest";
import type { FunctionScope } from "../../../src/engine/function-scope.ts";
import { indexUpdates } from "../../../src/engine/index-updates.ts";
import type { IndexDefinition, StoredDocument, TableRow } from "../../../src/engine/persistence.ts";
import { parseQuery } from "../../../src/engine/query/definition.ts";
import { dependsOn } from "../../../src/engine/read-set.ts";
import type { SnapshotMatches } from "../../../src/engine/text/text-index.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { failure, internalId, TestDatabase, type TestTransaction } from "./support.ts";

const DEFINITION: IndexDefinition = { type: "search", searchField: "body", filterFields: ["kind"] };

let database: TestDatabase;
let table: TableRow;

beforeEach(() => {
  database = new TestDatabase();
  table = database.table("notes");
  database.index(table, "by_body", DEFINITION);
});

function query(text: string, operators: object[] = [], kind?: number) {
  return parseQuery({
    source: {
      type: "Search",
      indexName: "notes.by_body",
      filters: [
        { type: "Search", fieldPath: "body", value: text },
        ...(kind === undefined ? [] : [{ type: "Eq", fieldPath: "kind", value: kind }]),
      ],
    },
    operators: operators as never,
  });
}

async function bodies(scope: FunctionScope, text: string, limit = 5000, kind?: number): Promise<string[]> {
  await scope.openQuery(1, query(text, [], kind));
  const rows: string[] = [];
  for (;;) {
    const page = await scope.nextPage(1, rows.length === 0 ? 0 : 7, Math.min(7, limit - rows.length));
    rows.push(...page.rows);
    if (page.done || rows.length >= limit) break;
  }
  scope.closeQuery(1);
  return rows.map((row) => (JSON.parse(row) as { body: string }).body);
}

/** Whether a commit that changes the document would invalidate the transaction. */
function touches(transaction: TestTransaction, before: object | null, after: object | null, id: string): boolean {
  const stored = (document: object): StoredDocument => ({
    json: JSON.stringify(document),
    size: 1,
    ts: 1 as Timestamp,
  });
  const { keys } = indexUpdates(database.catalog(), {
    tableId: table.id,
    id: internalId(id),
    before: before === null ? null : stored(before),
    after: after === null ? null : { ...stored(after), value: after as never, hasCommitTs: false },
  });
  const reads = transaction.readSet();
  return keys.some(([ref, key]) => dependsOn(reads, ref, key));
}

test("P-T-3 a query depends on what could match, not on the rest of the table", async () => {
  for (let n = 0; n < 30; n++) database.add(table, { body: `word number${n}`, kind: 1 });
  const other = database.add(table, { body: "different", kind: 1 });
  const transaction = database.begin("query");
  expect(await bodies(transaction.scope(), "word num", 5)).toHaveLength(5);
  const fresh = database.add(table, { body: "later" });
  expect(touches(transaction, null, { body: "a word" }, fresh)).toBe(true);
  expect(touches(transaction, null, { body: "numerous" }, fresh)).toBe(true);
  expect(touches(transaction, null, { body: "words" }, fresh)).toBe(false);
  expect(touches(transaction, null, { body: "nothing" }, fresh)).toBe(false);
  expect(touches(transaction, { body: "different" }, { body: "word" }, other)).toBe(true);
  expect(touches(transaction, { body: "different" }, { body: "unlike" }, other)).toBe(false);
  // Of a document that was read, everything matters.
  const [, read] =
    [...(database.documents.get(table.id) ?? [])].find(([, { json }]) => json.includes("number29")) ?? [];
  const document = JSON.parse(read?.json ?? "{}") as { _id: string };
  expect(touches(transaction, document, { ...document, kind: 1, extra: 2 }, document._id)).toBe(true);
});

test("P-T-3 pages, rewinding and limits see one ranking; rows handed out are charged, given back ones are not", async () => {
  for (let n = 0; n < 50; n++) database.add(table, { body: `word ${"pad ".repeat(n % 9)}`, kind: n % 2 });
  const transaction = database.begin("query");
  const all = await bodies(transaction.scope(), "word");
  expect(all).toHaveLength(50);
  expect(transaction.metrics().documentsRead.used).toBe(50);
  expect(transaction.metrics().databaseQueries.used).toBe(1);
  const scope = database.begin("query").scope();
  await scope.openQuery(1, query("word"));
  const page = await scope.nextPage(1, 0, 20);
  const again = await scope.nextPage(1, 5, 20);
  expect(again.rows.slice(0, 15)).toEqual(page.rows.slice(5));
  scope.closeQuery(1, 3);
  expect(scope.transaction.metrics().documentsRead.used).toBe(8);
  expect(await bodies(database.begin("query").scope(), "word", 4, 1)).toHaveLength(4);
});

test("P-T-3 own writes are at their places; a roll-back takes them away again", async () => {
  const ids = Array.from({ length: 10 }, (_, n) => database.add(table, { body: `word ${"pad ".repeat(n)}`, kind: 1 }));
  const transaction = database.begin();
  const scope = transaction.scope();
  const before = await bodies(scope, "word");
  const nested = transaction.begin();
  transaction.insert("", "notes", { body: "word word word", kind: 1 });
  await transaction.patch(table, internalId(ids[0] ?? ""), new Map([["body", "gone"]]));
  await transaction.remove(table, internalId(ids[1] ?? ""));
  expect(await bodies(scope, "word")).toEqual(["word word word", ...before.slice(2)]);
  expect(await bodies(scope, "gone")).toEqual(["gone"]);
  nested.rollback();
  expect(await bodies(scope, "word")).toEqual(before);
  expect(await bodies(scope, "gone")).toEqual([]);
});

test("P-T-3 what the index has not followed yet, or is ahead of, is put right", async () => {
  for (let n = 0; n < 30; n++) database.add(table, { body: `word ${"pad ".repeat(n)}`, kind: 1 });
  const transaction = database.begin("query");
  const reader = transaction.reader;
  const search = reader.search.bind(reader);
  const limits: number[] = [];
  // Of the 20 best hits nobody knows whether they still are; two of them are gone, one has become the worst.
  reader.search = async (address, text, limit): Promise<SnapshotMatches> => {
    limits.push(limit);
    const answer = await search(address, text, limit);
    const all = (await search(address, text, 1000)).hits.slice(0, 20);
    const changed = new Map<(typeof all)[number]["id"], StoredDocument | null>();
    for (const [rank, { id }] of all.entries()) {
      const [document] = await reader.read([{ kind: "get", tableId: table.id, id }]);
      const worse = { ...(JSON.parse(document?.json ?? "{}") as object), body: `word ${"pad ".repeat(99)}` };
      if (rank < 2) changed.set(id, null);
      else if (rank === 2) changed.set(id, { json: JSON.stringify(worse), size: 1, ts: 1 as Timestamp });
      else changed.set(id, document);
    }
    return { ...answer, changed };
  };
  await transaction.scope().openQuery(1, query("word"));
  const scope = transaction.scope();
  const found = await bodies(scope, "word");
  expect(found.map((body) => body.split(" ").length - 2)).toEqual([...Array.from({ length: 27 }, (_, n) => n + 3), 99]);
  // Hits that may be outdated were asked for again in greater number.
  expect(limits.length).toBeGreaterThan(1);
});

test("E-F-17 the 1025th match is an error, the 1024th is not", async () => {
  for (let n = 0; n < 1024; n++) database.add(table, { body: "word", kind: n % 2 });
  expect(await bodies(database.begin("query").scope(), "word")).toHaveLength(1024);
  database.add(table, { body: "word", kind: 2 });
  expect(await bodies(database.begin("query").scope(), "word", 1024)).toHaveLength(1024);
  expect(await failure(() => bodies(database.begin("query").scope(), "word"))).toBe(
    "Search query scanned too many documents (fetched 1024). Consider using a smaller limit, paginating the query, or using a filter field to limit the number of documents pulled from the search index.",
  );
  expect(await bodies(database.begin("query").scope(), "word", 2000, 1)).toHaveLength(512);
  const scope = database.begin("mutation").scope();
  scope.transaction.insert("", "notes", { body: "word word", kind: 3 });
  expect(await failure(() => bodies(scope, "word"))).toContain("scanned too many documents");
});

test("P-T-2 an empty text matches nothing and reads nothing", async () => {
  database.add(table, { body: "word", kind: 1 });
  const transaction = database.begin("query");
  expect(await bodies(transaction.scope(), " ")).toEqual([]);
  expect(transaction.reader.roundTrips).toBe(0);
});
