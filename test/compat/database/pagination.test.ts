import { join } from "node:path";
import { ConvexError } from "convex/values";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { failure, freshRun, FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";

interface Page {
  readonly page: readonly { readonly _id: string; readonly n: number }[];
  readonly isDone: boolean;
  readonly continueCursor: string;
  readonly splitCursor: string | null;
  readonly pageStatus: string | null;
}

interface Options {
  readonly numItems: number;
  readonly cursor: string | null;
  readonly endCursor?: string;
  readonly maximumRowsRead?: number;
  readonly maximumBytesRead?: number;
}

let backend: TestBackend;
let client: FunctionClient;
let run: string;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "database") });
  client = new FunctionClient(backend.url);
});

afterAll(() => backend?.stop());

async function seed(numbers: readonly number[]): Promise<string> {
  run = freshRun();
  await client.mutation("queries:seed", {
    table: "items",
    documents: numbers.map((n) => ({ run, n, text: `${n}` })),
  });
  return run;
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

function described(order: "asc" | "desc" = "asc", filters: readonly unknown[] = []) {
  return { table: "items", index: "by_run", calls: [["eq", "run", run]], order, filters };
}

function page(options: Options, query: object = described()): Promise<Page> {
  return client.query("queries:pageWithCaps", { query, paginationOpts: options });
}

const numbers = (result: Page) => result.page.map(({ n }) => n);

describe("pages", () => {
  test.each(["asc", "desc"] as const)("P-D-8 25 rows by 10 %s: 10, 10, 5, done", async (order) => {
    await seed(upTo(25));
    const query = described(order);
    const first = await page({ numItems: 10, cursor: null }, query);
    const second = await page({ numItems: 10, cursor: first.continueCursor }, query);
    const third = await page({ numItems: 10, cursor: second.continueCursor }, query);
    const wanted = order === "asc" ? upTo(25) : upTo(25).toReversed();
    expect([first, second, third].map(numbers)).toEqual([wanted.slice(0, 10), wanted.slice(10, 20), wanted.slice(20)]);
    expect([first, second, third].map(({ isDone }) => isDone)).toEqual([false, false, true]);
    expect([first, second, third].map(({ pageStatus }) => pageStatus)).toEqual([null, null, null]);

    const beyond = await page({ numItems: 10, cursor: third.continueCursor }, query);
    expect(beyond).toMatchObject({ page: [], isDone: true });
  });

  test("P-D-8 a last page that is just full is not known to be the last", async () => {
    await seed(upTo(20));
    const first = await page({ numItems: 10, cursor: null });
    const second = await page({ numItems: 10, cursor: first.continueCursor });
    expect(second).toMatchObject({ page: { length: 10 }, isDone: false });
    expect(await page({ numItems: 10, cursor: second.continueCursor })).toMatchObject({ page: [], isDone: true });
  });

  test("P-D-8 cursors are opaque, and the same place in the same query has the same one", async () => {
    await seed(upTo(15));
    const [a, b] = await Promise.all([page({ numItems: 5, cursor: null }), page({ numItems: 5, cursor: null })]);
    expect(a.continueCursor).toBe(b.continueCursor);
    expect(a.continueCursor).not.toContain(run);
    const reached = await page({ numItems: 2, cursor: (await page({ numItems: 3, cursor: null })).continueCursor });
    expect(reached.continueCursor).toBe(a.continueCursor);
  });

  test("P-D-8 rows that come and go around a cursor neither repeat nor hide others", async () => {
    await seed([0, 10, 20, 30, 40]);
    const first = await page({ numItems: 2, cursor: null });
    expect(numbers(first)).toEqual([0, 10]);
    await client.mutation("queries:seed", {
      table: "items",
      documents: [5, 15].map((n) => ({ run, n, text: "" })),
    });
    for (const { _id } of first.page.slice(1)) await client.mutation("documents:remove", { id: _id });
    expect(numbers(await page({ numItems: 9, cursor: first.continueCursor }))).toEqual([15, 20, 30, 40]);
  });

  test("P-D-8 endCursor reads just up to it, however many rows there are by then", async () => {
    await seed([0, 10, 20, 30, 40]);
    const first = await page({ numItems: 3, cursor: null });
    await client.mutation("queries:seed", {
      table: "items",
      documents: [1, 2, 3, 25].map((n) => ({ run, n, text: "" })),
    });
    const again = await page({ numItems: 3, cursor: null, endCursor: first.continueCursor });
    expect(numbers(again)).toEqual([0, 1, 2, 3, 10, 20]);
    expect(again).toMatchObject({ isDone: false, continueCursor: first.continueCursor });
    expect(again.splitCursor).not.toBeNull();
    const half = await page({ numItems: 3, cursor: null, endCursor: again.splitCursor ?? "" });
    const rest = await page({ numItems: 3, cursor: again.splitCursor, endCursor: first.continueCursor });
    expect([...numbers(half), ...numbers(rest)]).toEqual(numbers(again));
    expect(half.page.length).toBeGreaterThan(0);
    expect(rest.page.length).toBeGreaterThan(0);
  });

  test("P-D-8 filtered rows are read but not in the page, and cursors go on behind them", async () => {
    await seed(upTo(40));
    const even = ["eq", ["mod", ["field", "n"], ["value", 2]], ["value", 0]];
    const query = described("asc", [even]);
    const seen: number[] = [];
    let cursor: string | null = null;
    for (let pages = 0; ; pages++) {
      const result: Page = await page({ numItems: 6, cursor }, query);
      seen.push(...numbers(result));
      cursor = result.continueCursor;
      if (result.isDone) break;
      expect(result.page).toHaveLength(6);
      expect(pages).toBeLessThan(10);
    }
    expect(seen).toEqual(upTo(40).filter((n) => n % 2 === 0));
  });

  test("P-D-8 maximumRowsRead counts rows before the filter and asks for a split", async () => {
    await seed(upTo(30));
    const never = described("asc", [["gt", ["field", "n"], ["value", 24]]]);
    const seen: Page[] = [];
    let cursor: string | null = null;
    while (seen.at(-1)?.isDone !== true) {
      const result: Page = await page({ numItems: 10, cursor, maximumRowsRead: 10 }, never);
      seen.push(result);
      cursor = result.continueCursor;
    }
    expect(seen.map(numbers)).toEqual([[], [], [25, 26, 27, 28, 29], []]);
    expect(seen.map(({ pageStatus }) => pageStatus)).toEqual(["SplitRequired", "SplitRequired", "SplitRequired", null]);
  });

  test("P-D-8 maximumBytesRead ends a page and always lets one row through", async () => {
    await seed(upTo(4));
    const result = await page({ numItems: 10, cursor: null, maximumBytesRead: 1 });
    expect(result).toMatchObject({ page: [{ n: 0 }], isDone: false, pageStatus: "SplitRequired" });
    const next = await page({ numItems: 10, cursor: result.continueCursor, maximumBytesRead: 150 });
    expect(numbers(next)[0]).toBe(1);
  });

  test("P-D-8 a page of a table that does not exist is empty and done", async () => {
    const result = await page({ numItems: 10, cursor: null }, { table: "neverMade" });
    expect(result).toMatchObject({ page: [], isDone: true, splitCursor: null });
    const after = await page({ numItems: 10, cursor: result.continueCursor }, { table: "neverMade" });
    expect(after).toMatchObject({ page: [], isDone: true });
  });
});

describe("mistakes", () => {
  test("E-F-15 a text that is no cursor", async () => {
    expect(await failure(page({ numItems: 1, cursor: "nonsense" }, { table: "items" }))).toContain(
      "Uncaught Error: Failed to parse cursor",
    );
  });

  test("E-F-15 a cursor of another query carries the data by which clients start over", async () => {
    await seed(upTo(5));
    const { continueCursor } = await page({ numItems: 2, cursor: null });
    const other = page({ numItems: 2, cursor: continueCursor }, described("desc"));
    const error: unknown = await other.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConvexError);
    expect(error).toMatchObject({ data: { isConvexSystemError: true, paginationError: "InvalidCursor" } });
    expect(String(error)).toContain(
      "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query.",
    );
  });

  test("E-F-15 a second paginate() in one function", async () => {
    const call = client.query("queries:twoPages", {
      query: { table: "items" },
      paginationOpts: { numItems: 1, cursor: null },
    });
    expect(await failure(call)).toContain(
      "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function.",
    );
  });

  test.each([
    [0, "Must request at least 1 document while paginating"],
    [-1, "`options.numItems` must be a positive number. Received `-1`."],
    [32_001, "Requested too many items: 32001"],
  ])("E-F-15 P-D-8 numItems %i is refused", async (numItems, text) => {
    expect(await failure(page({ numItems, cursor: null }, { table: "items" }))).toContain(text);
  });

  test("E-F-15 P-D-8 caps must be positive", async () => {
    const call = page({ numItems: 1, cursor: null, maximumRowsRead: 0 }, { table: "items" });
    expect(await failure(call)).toContain("maximumRowsRead and maximumBytesRead must be greater than 0");
  });
});
