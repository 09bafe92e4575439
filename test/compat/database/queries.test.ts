import { join } from "node:path";
import { compareValues, type Value } from "convex/values";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { failure, freshRun, FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

/**
 * Index ranges, filters and orders over every type of value, through real functions, against a model that filters and
 * sorts all documents with the package's own comparison.
 */

type Field = Value | undefined;
type Document = Record<string, Value>;
type Call = readonly [method: "eq" | "gt" | "gte" | "lt" | "lte", field: string, value?: Value];
/** `[operator, ...operands]`, as the fixture reads it. */
type Expression = readonly [string, ...unknown[]];

const bytes = (...values: number[]) => new Uint8Array(values).buffer;

/** In the order of values: neighbours differ, and every type is there with its edges. */
const SORTED: readonly Field[] = [
  undefined,
  null,
  -(2n ** 63n),
  -256n,
  -1n,
  0n,
  1n,
  255n,
  2n ** 63n - 1n,
  Number.NEGATIVE_INFINITY,
  -Number.MAX_VALUE,
  -1.5,
  -Number.MIN_VALUE,
  -0,
  0,
  Number.MIN_VALUE,
  1,
  1.5,
  Number.MAX_VALUE,
  Number.POSITIVE_INFINITY,
  Number.NaN,
  false,
  true,
  "",
  "\u0000",
  "\u0000a",
  "a",
  "a\u0000",
  "aa",
  "b",
  "é",
  "\uFFFD",
  "😀",
  bytes(),
  bytes(0),
  bytes(0, 0xff),
  bytes(1),
  bytes(0xff),
  [],
  [null],
  [1n],
  [1],
  ["a"],
  [[]],
  {},
  { a: 1 },
  { a: 1, b: null },
  { a: 2 },
  { b: 0 },
];

let backend: TestBackend;
let client: FunctionClient;
/** Documents of one run in the table `values`. */
let run: string;
let documents: Document[];

const seed = freshSeed();
const random = new SeededRandom(seed);

beforeAll(async () => {
  console.log(`SEED=${seed}`);
  backend = await startBackend({ app: join(FIXTURES, "database") });
  client = new FunctionClient(backend.url);
  run = freshRun();
  // Every value alone, then pairs and nested ones at random, in shuffled order.
  const fields: Record<string, Field>[] = [
    ...SORTED.map((a) => ({ a })),
    ...Array.from({ length: 60 }, () => ({ a: anyField(), b: anyField() })),
    ...Array.from({ length: 20 }, () => ({ n: random.chance(0.7) ? defined({ x: anyField() }) : "none" })),
  ];
  const order = fields.map((value) => ({ value, at: random.next() })).toSorted((x, y) => x.at - y.at);
  await client.mutation("queries:seed", {
    table: "values",
    documents: order.map(({ value }) => defined({ run, ...value })),
  });
  // Rows of others, which no range of this run may show.
  const others = ["", `${run}\u0000`, `${run} `, "run"].map((other) => ({ run: other, a: 1 }));
  await client.mutation("queries:seed", { table: "values", documents: others });
  documents = await client.query("queries:run", { query: { table: "values" } });
});

afterAll(() => backend?.stop());

/** `pick` takes `undefined` for an empty list. */
function anyField(): Field {
  return SORTED[random.below(SORTED.length)];
}

function defined(fields: Record<string, Field>): Document {
  return Object.fromEntries(Object.entries(fields).filter((entry): entry is [string, Value] => entry[1] !== undefined));
}

function fieldOf(document: Document, path: string): Field {
  let value: unknown = document;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || value instanceof ArrayBuffer || Array.isArray(value)) {
      return undefined;
    }
    value = (value as Record<string, unknown>)[name];
  }
  return value as Field;
}

const HOLDS: Readonly<Record<string, (order: number) => boolean>> = {
  eq: (order) => order === 0,
  neq: (order) => order !== 0,
  gt: (order) => order > 0,
  gte: (order) => order >= 0,
  lt: (order) => order < 0,
  lte: (order) => order <= 0,
};

function holds(method: string, left: Field, right: Field): boolean {
  return HOLDS[method]?.(compareValues(left, right)) ?? false;
}

function expected(all: readonly Document[], fields: readonly string[], calls: readonly Call[], order: "asc" | "desc") {
  const rows = all
    .filter((document) => calls.every(([method, field, value]) => holds(method, fieldOf(document, field), value)))
    .toSorted((a, b) => {
      for (const field of [...fields, "_creationTime", "_id"]) {
        const compared = compareValues(fieldOf(a, field), fieldOf(b, field));
        if (compared !== 0) return compared;
      }
      return 0;
    });
  return order === "asc" ? rows : rows.toReversed();
}

interface Described {
  readonly index?: string;
  readonly calls?: readonly Call[];
  readonly filters?: readonly Expression[];
  readonly order?: "asc" | "desc";
}

function ask(query: Described, options: { readonly take?: number; readonly how?: string } = {}): Promise<Document[]> {
  return client.query("queries:run", { query: { table: "values", ...query }, ...options });
}

const ids = (rows: readonly Document[]) => rows.map(({ _id }) => _id);

describe("order", () => {
  test("P-D-6 the list of values is sorted by the package's comparison", () => {
    for (let n = 1; n < SORTED.length; n++) expect(compareValues(SORTED[n - 1], SORTED[n])).toBeLessThan(0);
  });

  test.each(["asc", "desc"] as const)("P-D-6 an index gives every value in the order of values, %s", async (order) => {
    const rows = await ask({ index: "by_run_a", calls: [["eq", "run", run]], order });
    const alone = new Set(documents.filter(({ b, n }) => b === undefined && n === undefined).map(({ _id }) => _id));
    const values = rows.filter(({ _id }) => alone.has(_id)).map((row) => fieldOf(row, "a"));
    const wanted = order === "asc" ? SORTED : SORTED.toReversed();
    // Pairs may hold a missing `b` too.
    expect(dropRepeats(values)).toEqual(wanted);
    expect(ids(rows)).toEqual(ids(expected(documents, ["run", "a"], [["eq", "run", run]], order)));
  });

  test("P-D-5 a query without index is in the order of creation, either way round", async () => {
    expect(ids(await ask({}))).toEqual(ids(expected(documents, [], [], "asc")));
    expect(ids(await ask({ order: "desc" }))).toEqual(ids(expected(documents, [], [], "desc")));
    expect(ids(await ask({ index: "by_creation_time", calls: [] }))).toEqual(ids(documents));
    expect(ids(await ask({ index: "by_id", calls: [] }))).toEqual(ids(documents).toSorted(compareValues));
  });

  test("P-D-5 by_creation_time and by_id take ranges", async () => {
    const middle = documents[40];
    const time = middle?._creationTime ?? 0;
    const calls: Call[] = [["gt", "_creationTime", time]];
    expect(ids(await ask({ index: "by_creation_time", calls }))).toEqual(ids(expected(documents, [], calls, "asc")));
    const id = middle?._id ?? "";
    for (const method of ["eq", "gt", "gte", "lt", "lte"] as const) {
      const range: Call[] = [[method, "_id", id]];
      const rows = documents.filter((document) => holds(method, document._id, id));
      expect(ids(await ask({ index: "by_id", calls: range })), method).toEqual(ids(rows).toSorted(compareValues));
    }
  });
});

function dropRepeats(values: readonly Field[]): Field[] {
  return values.filter((value, n) => n === 0 || compareValues(values[n - 1], value) !== 0);
}

const INDEXES: Readonly<Record<string, readonly string[]>> = {
  by_run: ["run"],
  by_run_a: ["run", "a"],
  by_run_a_b: ["run", "a", "b"],
  by_run_inner: ["run", "n.x"],
};

/** `eq` on a prefix of the fields, then perhaps bounds on the next one. */
function randomCalls(fields: readonly string[]): Call[] {
  const all = [...fields, "_creationTime"];
  const equal = 1 + random.below(fields.length);
  const calls: Call[] = [["eq", "run", run]];
  const call = (method: Call[0], field: string): Call => {
    const time = random.pick(documents)["_creationTime"] ?? 0;
    const value = field === "_creationTime" ? time : anyField();
    return value === undefined ? [method, field] : [method, field, value];
  };
  for (const field of all.slice(1, equal)) calls.push(call("eq", field));
  const next = all[equal];
  if (next !== undefined && random.chance(0.8)) {
    if (random.chance(0.6)) calls.push(call(random.chance(0.5) ? "gt" : "gte", next));
    if (random.chance(0.6)) calls.push(call(random.chance(0.5) ? "lt" : "lte", next));
  }
  return calls;
}

describe("index ranges", () => {
  test.each(["gt", "gte", "lt", "lte", "eq"] as const)(
    "P-D-5 %s against every value finds what the comparison says, missing fields included",
    async (method) => {
      await inChunks(SORTED, async (value) => {
        const calls: Call[] = [["eq", "run", run], value === undefined ? [method, "a"] : [method, "a", value]];
        const rows = await ask({ index: "by_run_a", calls });
        expect(ids(rows), describeValue(value)).toEqual(ids(expected(documents, ["run", "a"], calls, "asc")));
      });
    },
  );

  test("P-D-5 300 random ranges over one, two, three and nested fields", async () => {
    const queries = Array.from({ length: 300 }, () => {
      const [index, fields] = random.pick(Object.entries(INDEXES));
      const order = random.pick(["asc", "desc"] as const);
      return { index, fields, calls: randomCalls(fields), order, take: 1 + random.below(30) };
    });
    await inChunks(queries, async ({ index, fields, calls, order, take }) => {
      const wanted = ids(expected(documents, fields, calls, order));
      const described = { index, calls, order };
      expect(ids(await ask(described)), JSON.stringify([index, calls.length])).toEqual(wanted);
      expect(ids(await ask(described, { how: "take", take }))).toEqual(wanted.slice(0, take));
    });
  });

  test("P-D-5 first, take, async iteration and an early end of it", async () => {
    const calls: Call[] = [["eq", "run", run]];
    const wanted = ids(expected(documents, ["run"], calls, "asc"));
    const described = { index: "by_run", calls };
    expect(await ask(described, { how: "first" })).toMatchObject({ _id: wanted[0] });
    expect(ids(await ask(described, { how: "iterate" }))).toEqual(wanted);
    for (const take of [1, 7, 40, 1000]) {
      expect(ids(await ask(described, { how: "iterate", take }))).toEqual(wanted.slice(0, take));
      expect(ids(await ask(described, { how: "take", take }))).toEqual(wanted.slice(0, take));
    }
    expect(await ask(described, { how: "take", take: 0 })).toEqual([]);
    const none: Call[] = [["eq", "run", "nobody"]];
    expect(await ask({ index: "by_run", calls: none }, { how: "first" })).toBeNull();
    expect(await ask({ index: "by_run", calls: none })).toEqual([]);
  });
});

/** The model's verdict; throws where the filter would. */
function evaluate([operator, ...operands]: Expression, document: Document): Field {
  const inner = operands as readonly Expression[];
  switch (operator) {
    case "field":
      return fieldOf(document, String(operands[0]));
    case "value":
      return operands[0] as Value;
    case "missing":
      return undefined;
    case "and":
      return inner.every((operand) => evaluate(operand, document) === true);
    case "or":
      return inner.some((operand) => evaluate(operand, document) === true);
    case "not":
      return evaluate(inner[0] ?? ["missing"], document) !== true;
    default:
      return holds(operator, evaluate(inner[0] ?? ["missing"], document), evaluate(inner[1] ?? ["missing"], document));
  }
}

function randomFilter(depth: number): Expression {
  if (depth === 0 || random.chance(0.4)) {
    const literal = (): Expression => {
      const value = anyField();
      return value === undefined ? ["missing"] : ["value", value];
    };
    const field = (): Expression => ["field", random.pick(["a", "b", "n.x", "n", "run", "nothing"])];
    const operand = () => (random.chance(0.7) ? field() : literal());
    return [random.pick(["eq", "neq", "gt", "gte", "lt", "lte"]), operand(), literal()];
  }
  if (random.chance(0.25)) return ["not", randomFilter(depth - 1)];
  const parts = Array.from({ length: random.below(4) }, () => randomFilter(depth - 1));
  return [random.pick(["and", "or"]), ...parts];
}

describe("filters", () => {
  test.each(["eq", "neq", "gt", "gte", "lt", "lte"])(
    "P-D-5 q.%s against every value keeps what the comparison says",
    async (operator) => {
      await inChunks(SORTED, async (value) => {
        const filter: Expression = [operator, ["field", "a"], value === undefined ? ["missing"] : ["value", value]];
        const rows = await ask({ filters: [filter] });
        const wanted = documents.filter((document) => evaluate(filter, document) === true);
        expect(ids(rows), describeValue(value)).toEqual(ids(wanted));
      });
    },
  );

  test("P-D-5 200 random filters of and, or, not and comparisons, alone and behind a range", async () => {
    const filters = Array.from({ length: 200 }, () => randomFilter(3));
    await inChunks(filters, async (filter) => {
      const passes = (document: Document) => evaluate(filter, document) === true;
      expect(ids(await ask({ filters: [filter] })), JSON.stringify(filter, jsonable)).toEqual(
        ids(documents.filter(passes)),
      );
      const calls: Call[] = [["eq", "run", run]];
      const behind = { index: "by_run_a", calls, filters: [filter, ["eq", ["field", "run"], ["value", run]] as const] };
      const wanted = expected(documents, ["run", "a"], calls, "desc").filter(passes);
      expect(ids(await ask({ ...behind, order: "desc" }, { how: "take", take: 9 }))).toEqual(ids(wanted.slice(0, 9)));
    });
  });

  test.each([
    [["add", ["value", 2], ["value", 0.5]], 2.5],
    [["sub", ["value", 2n], ["value", 5n]], -3n],
    [["mul", ["value", 3n], ["value", -4n]], -12n],
    [["div", ["value", 7n], ["value", -2n]], -3n],
    [["div", ["value", 1], ["value", 0]], Number.POSITIVE_INFINITY],
    [["mod", ["value", -7n], ["value", 2n]], -1n],
    [["mod", ["value", 7.5], ["value", 2]], 1.5],
    [["neg", ["value", 2.5]], -2.5],
    [["neg", ["value", -(2n ** 62n)]], 2n ** 62n],
  ] as const)("P-D-5 arithmetic: %o is %s", async (left, right) => {
    const same = await ask({ filters: [["eq", left, ["value", right]]] }, { how: "take", take: 1 });
    expect(same).toHaveLength(1);
    expect(await ask({ filters: [["neq", left, ["value", right]]] })).toEqual([]);
  });

  test.each([
    [["add", ["value", 1n], ["value", 1]], "Cannot add 1 (type Int64) and 1.0 (type Float64)"],
    [["div", ["value", 1n], ["value", 0n]], "Cannot divide 1 by zero"],
    [["neg", ["value", "a"]], 'Cannot negate "a" (type String)'],
    [["neg", ["value", -(2n ** 63n)]], "Cannot negate -9223372036854775808: the result is out of range for Int64"],
    [
      ["mul", ["value", 2n ** 62n], ["value", 2n]],
      "Cannot multiply 4611686018427387904 and 2: the result is out of range for Int64",
    ],
    [["and", ["value", 1]], "Cannot use value 1.0 (type Float64) as a Boolean"],
    [["field", "run"], "as a Boolean"],
  ] as const)("P-D-5 %o is refused", async (filter, text) => {
    expect(await failure(ask({ filters: [filter] }))).toContain(text);
  });
});

describe("mistakes in ranges", () => {
  test.each([
    [
      [["eq", "b", 1]],
      'Tried to query index values.by_run_a_b but the query didn\'t use the index fields in order.\nIndex fields: ["run", "a", "b", "_creationTime"]\nQuery fields: ["b"]\nFirst incorrect field: "b"\nFor more information see https://docs.convex.dev/using/indexes.',
    ],
    [
      [["eq", "zzz", 1]],
      'The index range included a comparison with "zzz", but values.by_run_a_b with fields ["run", "a", "b", "_creationTime"] doesn\'t index this field. For more information see https://docs.convex.dev/using/indexes.',
    ],
    [
      [
        ["eq", "run", ""],
        ["gt", "a", 1],
        ["lt", "b", 2],
      ],
      'Upper and lower bounds in `range` can only be applied to a single index field. This query against index values.by_run_a_b attempted to set a range bound on both "a" and "b". Consider using `filter` instead. See https://docs.convex.dev/using/indexes for more info.',
    ],
    [
      [
        ["gt", "run", ""],
        ["gte", "run", "a"],
      ],
      'Already defined lower bound in index range. Can\'t add "run" >= "a".',
    ],
  ] as const)("E-F-11 %j", async (calls, text) => {
    const described = { index: "by_run_a_b", calls: calls as unknown as Call[] };
    expect(await failure(ask(described))).toContain(`Uncaught Error: ${text}`);
  });

  test("E-F-11 an index that is not there, with and without the table", async () => {
    expect(await failure(ask({ index: "by_nothing", calls: [] }))).toContain("Index values.by_nothing not found.");
    const missing = { table: "neverMade", index: "by_x", calls: [] };
    expect(await failure(client.query("queries:run", { query: missing }))).toContain("Index neverMade.by_x not found.");
    expect(await client.query("queries:run", { query: { ...missing, index: "by_id" } })).toEqual([]);
  });
});

/** Several at a time, not all: the machine is shared. */
async function inChunks<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += 10) await Promise.all(items.slice(start, start + 10).map(work));
}

function describeValue(value: Field): string {
  return JSON.stringify(value, jsonable) ?? "undefined";
}

function jsonable(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}
