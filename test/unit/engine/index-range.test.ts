import { type Value, compareValues, convexToJson } from "convex/values";
import fc from "fast-check";
import { expect, test } from "vitest";
import { indexKey, parsePath } from "../../../src/engine/index-key.ts";
import type { InternalId, TableNumber } from "../../../src/engine/names.ts";
import { type Comparison, type RangeExpression, parseQuery } from "../../../src/engine/query/definition.ts";
import { compileRange } from "../../../src/engine/query/index-range.ts";
import { firstIdAtOrAbove } from "../../../src/engine/query/id-bound.ts";
import type { JsonObject, JsonValue } from "../../../src/shared/json.ts";
import { encodeDocumentId } from "../../../src/values/document-id.ts";
import { TestDatabase, failure, toJson } from "./support.ts";

const TABLE = 10_001 as TableNumber;
const INDEX = { name: "t.by_ab", fields: ["a", "b", "_creationTime"], tableNumber: TABLE };

function range(...expressions: [Comparison, string, Value | undefined][]): RangeExpression[] {
  return expressions.map(([type, field, value]) => ({
    type,
    field,
    value: value === undefined ? undefined : toJson(value),
  }));
}

const HELP = "For more information see https://docs.convex.dev/using/indexes.";

test.each<[string, RangeExpression[], string]>([
  [
    "a second equality on a field",
    range(["Eq", "a", 1], ["Eq", "a", 2n]),
    `Already defined equality bound in index range. Can't add "a" == 2.`,
  ],
  [
    "a second lower bound",
    range(["Gt", "a", 1], ["Gte", "a", "x"]),
    `Already defined lower bound in index range. Can't add "a" >= "x".`,
  ],
  [
    "a second upper bound",
    range(["Lte", "a", 1], ["Lt", "a", undefined]),
    `Already defined upper bound in index range. Can't add "a" < undefined.`,
  ],
  [
    "an equality and an inequality on one field",
    range(["Gt", "a", 1], ["Eq", "a", 2]),
    `Already defined inequality bound in index range. Can't add "a" == 2.0.`,
  ],
  [
    "bounds on two fields",
    range(["Gt", "a", 1], ["Lt", "b", 2]),
    'Upper and lower bounds in `range` can only be applied to a single index field. This query against index t.by_ab attempted to set a range bound on both "a" and "b". Consider using `filter` instead. See https://docs.convex.dev/using/indexes for more info.',
  ],
  [
    "a field that is skipped",
    range(["Eq", "b", 1]),
    [
      "Tried to query index t.by_ab but the query didn't use the index fields in order.",
      'Index fields: ["a", "b", "_creationTime"]',
      'Query fields: ["b"]',
      'First incorrect field: "b"',
      HELP,
    ].join("\n"),
  ],
  [
    "a bound before an equality",
    range(["Eq", "b", 1], ["Gt", "a", 1]),
    [
      "Tried to query index t.by_ab but the query didn't use the index fields in order.",
      'Index fields: ["a", "b", "_creationTime"]',
      'Query fields: ["b", "a"]',
      'First incorrect field: "b"',
      HELP,
    ].join("\n"),
  ],
  [
    "a field that is not indexed",
    range(["Eq", "a", 1], ["Eq", "c", 1]),
    `The index range included a comparison with "c", but t.by_ab with fields ["a", "b", "_creationTime"] doesn't index this field. ${HELP}`,
  ],
])("E-F-11 %s is refused with its text", async (_, expressions, text) => {
  expect(await failure(() => compileRange(INDEX, expressions))).toBe(text);
});

const scalar: fc.Arbitrary<Value | undefined> = fc.constantFrom(
  undefined,
  null,
  -1n,
  0n,
  300n,
  -0,
  0,
  1.5,
  false,
  true,
  "",
  "\0",
  "\0\0",
  "a",
  "a\0",
  "ab",
  "é",
  Uint8Array.of().buffer,
  Uint8Array.of(0).buffer,
  Uint8Array.of(0, 255).buffer,
  [],
  [""],
  ["\0"],
  {},
  { "": 1 },
  { a: "" },
);

const HOLDS: Record<Comparison, (order: number) => boolean> = {
  Eq: (order) => order === 0,
  Gt: (order) => order > 0,
  Gte: (order) => order >= 0,
  Lt: (order) => order < 0,
  Lte: (order) => order <= 0,
};

const inequality = fc.constantFrom<Comparison>("Gt", "Gte", "Lt", "Lte");

/** Any range that the rules allow on `INDEX`: up to two equalities, then up to two bounds. */
const anyRange = fc
  .tuple(fc.integer({ min: 0, max: 2 }), scalar, scalar, fc.array(fc.tuple(inequality, scalar), { maxLength: 2 }))
  .map(([count, a, b, bounds]): [Comparison, string, Value | undefined][] => {
    const values = [a, b];
    const equalities = ["a", "b"].slice(0, count).map((field, i): [Comparison, string, Value | undefined] => {
      return ["Eq", field, values[i]];
    });
    const field = ["a", "b", "_creationTime"][count] ?? "";
    const lower = bounds.find(([type]) => type.startsWith("G"));
    const upper = bounds.find(([type]) => type.startsWith("L"));
    const both = [lower, upper].flatMap((bound) => (bound === undefined ? [] : [bound]));
    return [
      ...both.map(([type, value]): [Comparison, string, Value | undefined] => [type, field, value]),
      ...equalities,
    ];
  });

function document(fields: Record<string, Value | undefined>): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, convexToJson(value)]])),
  ) as JsonObject;
}

function keyOf(fields: JsonObject): string {
  return indexKey(INDEX.fields.map(parsePath), fields, "FF".repeat(16) as InternalId);
}

test("P-D-5 RANGE1 an interval holds exactly the documents that satisfy every condition", () => {
  fc.assert(
    fc.property(anyRange, scalar, scalar, fc.constantFrom(1, 2, 1e12), (expressions, a, b, time) => {
      const { interval, exact } = compileRange(INDEX, range(...expressions));
      expect(exact).toBe(true);
      const fields: Record<string, Value | undefined> = { a, b, _creationTime: time };
      const key = keyOf(document(fields));
      const inside = key >= interval.start && (interval.end === null || key < interval.end);
      const expected = expressions.every(([type, field, value]) => HOLDS[type](compareValues(fields[field], value)));
      expect([expressions, a, b, inside]).toEqual([expressions, a, b, expected]);
    }),
    { numRuns: 5000 },
  );
});

test("RANGE2 beyond 4096 bytes the interval is wider than the range, and the exact check tells", () => {
  const long = "x".repeat(5000);
  for (const [type, value, expected] of [
    ["Eq", `${long}a`, [false, true, false]],
    ["Gt", `${long}a`, [false, false, true]],
    ["Gte", `${long}a`, [false, true, true]],
    ["Lt", `${long}b`, [true, true, false]],
    ["Lte", `${long}a`, [true, true, false]],
  ] as const) {
    const { interval, exact, holds } = compileRange(INDEX, range([type, "a", value]));
    expect(exact).toBe(false);
    const verdicts = [long, `${long}a`, `${long}b`].map((a) => {
      const fields = document({ a, _creationTime: 1 });
      const key = keyOf(fields);
      const inside = key >= interval.start && (interval.end === null || key < interval.end);
      return inside && holds(fields);
    });
    expect([type, verdicts]).toEqual([type, expected]);
  }
});

test("RANGE3 bounds on _id follow the order of ids as texts, whatever the value", () => {
  const hex = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((b) => Buffer.from(b).toString("hex").toUpperCase());
  const index = { name: "t.by_id", fields: [], tableNumber: TABLE };
  const text = fc.oneof(
    hex.map((id) => encodeDocumentId(TABLE, id) as string),
    hex.map((id) => encodeDocumentId(10_002, id) as string),
    hex.map((id) => encodeDocumentId(TABLE, id).slice(0, 9)),
    fc.string({ maxLength: 4 }),
    fc.constantFrom("", "é", "zzzz"),
  );
  const bound = fc.oneof(text, fc.constantFrom<Value | undefined>(undefined, null, 1n, 1, true, [], {}));
  fc.assert(
    fc.property(fc.constantFrom<Comparison>("Eq", "Gt", "Gte", "Lt", "Lte"), bound, hex, (type, value, id) => {
      const { interval } = compileRange(index, range([type, "_id", value]));
      const inside = id >= interval.start && (interval.end === null || id < interval.end);
      expect(inside).toBe(HOLDS[type](compareValues(encodeDocumentId(TABLE, id), value)));
    }),
    { numRuns: 1000 },
  );
});

test("RANGE4 _id can follow all fields of an index", () => {
  const id = "AB".repeat(16) as InternalId;
  const expressions = range(["Eq", "a", 1], ["Eq", "b", 2], ["Eq", "_creationTime", 3]);
  const eq = compileRange(INDEX, [...expressions, ...range(["Eq", "_id", encodeDocumentId(TABLE, id)])]);
  const key = indexKey(INDEX.fields.map(parsePath), { a: 1, b: 2, _creationTime: 3 }, id);
  expect(eq.interval).toEqual({ start: key, end: `${key}00` });
  const above = compileRange(INDEX, [...expressions, ...range(["Gt", "_id", encodeDocumentId(TABLE, id)])]);
  expect(above.interval.start).toBe(`${key}00`);
  expect(above.interval.end?.startsWith(key.slice(0, 8))).toBe(true);
});

test("RANGE5 the first id at or above a text is found", () => {
  const id = "7F".repeat(16) as InternalId;
  expect(firstIdAtOrAbove(TABLE, encodeDocumentId(TABLE, id))).toEqual({ id, equal: true });
  expect(firstIdAtOrAbove(TABLE, "")).toEqual({ id: "00".repeat(16), equal: false });
  expect(firstIdAtOrAbove(TABLE, "zz")).toBeNull();
});

test.each<[JsonValue, RegExp]>([
  [{ source: { type: "FullTableScan", tableName: "t", order: "up" }, operators: [] }, /unknown order "up"/],
  [{ source: { type: "FullTableScan", order: null }, operators: [] }, /`tableName` is not a string/],
  [{ source: { type: "Nearby" }, operators: [] }, /unknown source type "Nearby"/],
  [{ source: { type: "IndexRange", indexName: "t", range: [], order: null }, operators: [] }, /<table>.<index>/],
  [{ source: { type: "FullTableScan", tableName: "t" }, operators: [{ limit: -1 }] }, /invalid limit -1/],
  [{ source: { type: "FullTableScan", tableName: "t" }, operators: [{ skip: 1 }] }, /unknown query operator/],
  [null, /expected an object/],
])("P-D-5 the malformed query %j is refused", (json, text) => {
  expect(() => parseQuery(json)).toThrow(text);
});

test("P-D-5 more than 256 operators are refused", async () => {
  const source = { type: "FullTableScan", tableName: "t", order: null };
  const operators = (count: number) => Array.from({ length: count }, () => ({ limit: 1 }));
  expect(parseQuery({ source, operators: operators(256) }).operators.length).toBe(256);
  expect(await failure(() => parseQuery({ source, operators: operators(257) }))).toBe(
    "Query has too many operators: 257",
  );
});

test("E-F-11 an index that can't be queried says why", async () => {
  const database = new TestDatabase();
  const table = database.table("t");
  const fields = { type: "database", fields: ["a"] } as const;
  database.index(table, "filling", fields, { state: "backfilling" });
  database.index(table, "staged", fields, { state: "ready", staged: true });
  database.index(table, "text", { type: "search", searchField: "a", filterFields: [] });
  const scope = database.begin("query").scope();
  const open = (indexName: string) =>
    failure(() =>
      scope.openQuery(1, parseQuery({ source: { type: "IndexRange", indexName, range: [] }, operators: [] })),
    );
  expect(await open("t.none")).toBe("Index t.none not found.");
  expect(await open("u.none")).toBe("Index u.none not found.");
  expect(await open("t.filling")).toBe("Index t.filling is currently backfilling and not available to query yet.");
  expect(await open("t.staged")).toBe(
    "Index t.staged is currently staged and not available to query until it is enabled.",
  );
  expect(await open("t.text")).toBe("Index t.text is not a database index");
  const search = { source: { type: "Search", indexName: "t.text", filters: [] }, operators: [] };
  const missing = 'You must include a search filter like `q.search("a", searchText)`.';
  expect(await failure(() => scope.openQuery(1, parseQuery(search)))).toBe(
    `Search query against t.text does not contain any search filters. ${missing}`,
  );
});
