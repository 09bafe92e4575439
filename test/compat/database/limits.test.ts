import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { failure, freshRun, FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";

/** Limits of `features.md` §2.0, "Database and documents" and "Transactions", at their defaults. */

const ADVICE =
  "Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.";
const MEBIBYTE = 1024 * 1024;
/** A document with so many bytes in one field has just less than 1 MiB. */
const ALMOST = MEBIBYTE - 200;

let backend: TestBackend;
let client: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "database") });
  client = new FunctionClient(backend.url);
});

afterAll(() => backend?.stop());

async function logLines(kind: "query" | "mutation", path: string, args: object): Promise<readonly string[]> {
  const response = await fetch(`${backend.url}/api/${kind}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ path, args, format: "json" }),
  });
  const { status, logLines: lines = [] }: { status: string; logLines?: string[] } = await response.json();
  expect(status).toBe("success");
  return lines;
}

describe("documents", () => {
  const insert = (kind: string, n: number) => client.mutation("limits:insertValue", { kind, n });

  test.each([
    ["text", MEBIBYTE - 200, MEBIBYTE + 1, "Value is too large (1.00 MiB > maximum size 1 MiB)"],
    ["wideInner", 1024, 1025, "Object has too many fields (1025 > maximum number 1024)"],
    ["deep", 15, 16, "Document is too nested (nested 17 levels deep > maximum nesting 16)"],
    ["long", 8192, 8193, "Array length is too long (8193 > maximum length 8192)"],
  ] as const)("E-F-1 E-F-2 E-F-3 E-F-4 %s of %i is stored, of %i refused", async (kind, fits, exceeds, text) => {
    await insert(kind, fits);
    expect(await failure(insert(kind, exceeds))).toContain(text);
  });

  test("E-F-2 the two system fields count among the 1024 of a document", async () => {
    await insert("wide", 1022);
    expect(await failure(insert("wide", 1023))).toContain("Object has too many fields (1025 > maximum number 1024)");
  });

  test("E-F-1 an action can catch the error of a mutation", async () => {
    expect(await client.action("limits:caught", { kind: "text", n: MEBIBYTE + 1 })).toContain("Value is too large");
    expect(await client.action("limits:caught", { kind: "text", n: 1 })).toBe("stored");
  });

  test.each([
    ["named", 64, 65, "exceeds maximum field name length 64."],
    ["innerNamed", 1024, 1025, "exceeds maximum field name length 1024."],
  ] as const)("P-D-2 field names: %s of %i characters, not of %i", async (kind, fits, exceeds, text) => {
    await insert(kind, fits);
    expect(await failure(insert(kind, exceeds))).toContain(text);
  });

  test.each([
    ["dollar", "Field name $field starts with a '$', which is reserved."],
    ["underscore", "Field '_field' starts with an underscore, which is only allowed for system fields like '_id'"],
    ["unicode", "Field name é has invalid character 'é': Field names can only contain non-control ASCII characters"],
    ["surrogate", "String contains an unpaired surrogate, which is not valid Unicode."],
    ["huge", "BigInt 9223372036854775808 does not fit into a 64-bit signed integer."],
  ])("P-D-2 a document with %s is refused", async (name, text) => {
    expect(await failure(client.mutation("limits:insertRaw", { name }))).toContain(text);
  });

  test.each([
    ["smallest", -(2n ** 63n)],
    ["largest", 2n ** 63n - 1n],
  ])("P-D-2 the %s int64 is stored", async (name, n) => {
    const id = await client.mutation("limits:insertRaw", { name });
    expect(await client.query("documents:get", { id })).toMatchObject({ n });
  });
});

describe("transactions", () => {
  test("E-F-14 16,000 documents written, not one more, and nothing of a transaction that tried", async () => {
    const run = freshRun();
    await client.mutation("limits:insertMany", { run, count: 16_000 });
    const over = freshRun();
    expect(await failure(client.mutation("limits:insertMany", { run: over, count: 16_001 }))).toContain(
      "Uncaught Error: Too many writes in a single function execution (limit: 16000)\n",
    );
    expect(await client.query("limits:scanWithout", { run: over })).toBe(0);
    const first = { query: { table: "items", index: "by_run", calls: [["eq", "run", over]] }, how: "first" };
    expect(await client.query("queries:run", first)).toBeNull();

    // 32,000 documents scanned, the filtered ones included, and not one more.
    await client.mutation("limits:insertMany", { run, from: 16_000, count: 16_000 });
    expect(await client.query("limits:scanWithout", { run })).toBe(0);
    await client.mutation("limits:insertMany", { run, from: 32_000, count: 1 });
    expect(await failure(client.query("limits:scanWithout", { run }))).toContain(
      `Uncaught Error: Too many documents read in a single function execution (limit: 32000). ${ADVICE}\n`,
    );
  });

  test("E-F-14 4,096 ranges read, not one more", async () => {
    const run = freshRun();
    await client.mutation("limits:insertMany", { run, count: 1 });
    const query = { table: "items", index: "by_run", calls: [["eq", "run", run]] };
    const item = await client.query<{ _id: string }>("queries:run", { query, how: "first" });
    expect(await client.query("limits:getMany", { id: item._id, count: 4096 })).toBe(4096);
    expect(await failure(client.query("limits:getMany", { id: item._id, count: 4097 }))).toContain(
      `Uncaught Error: Too many reads in a single function execution (limit: 4096). ${ADVICE}\n`,
    );
    expect(await logLines("query", "limits:getMany", { id: item._id, count: 3073 })).toEqual([
      `[WARN] Many reads in a single function execution (actual: 3073, limit: 4096). ${ADVICE}`,
    ]);
  });

  test("E-F-14 E-F-18 13,000 writes succeed with a warning", async () => {
    expect(await logLines("mutation", "limits:insertMany", { run: freshRun(), count: 13_000 })).toEqual([
      "[WARN] Many writes in a single function execution (actual: 13000, limit: 16000).",
    ]);
  });

  test("E-F-14 16 MiB written, not 17, and nothing of a transaction that tried", async () => {
    const run = freshRun();
    expect(await failure(client.mutation("limits:insertBlobs", { run, count: 17, size: ALMOST }))).toContain(
      "Uncaught Error: Too many bytes written in a single function execution (limit: 16 MiB)\n",
    );
    expect(await client.query("limits:blobs", { run })).toEqual([]);
    await client.mutation("limits:insertBlobs", { run, count: 16, size: ALMOST });
    expect(await client.query("limits:blobs", { run })).toHaveLength(16);
  });
});

describe("documents of 1 MiB", () => {
  const run = freshRun();
  const COUNT = 40;

  beforeAll(async () => {
    for (let from = 0; from < COUNT; from += 10) {
      await client.mutation("limits:insertBlobs", { run, from, count: 10, size: ALMOST });
    }
  });

  test("E-F-14 more than 16 MiB of them can't be read, and an action goes on in pages", async () => {
    const { failed, numbers } = await client.action<{ failed: string; numbers: number[] }>("limits:readInSteps", {
      run,
    });
    expect(failed).toContain(`Too many bytes read in a single function execution (limit: 16777216 bytes). ${ADVICE}\n`);
    expect(numbers).toEqual(Array.from({ length: COUNT }, (_, n) => n));
  });

  test("P-D-8 a page that asks for more than 16 MiB ends at them and says so", async () => {
    const seen: number[] = [];
    const sizes: number[] = [];
    let cursor: string | null = null;
    for (;;) {
      const page: { numbers: number[]; isDone: boolean; continueCursor: string; pageStatus: string | null } =
        await client.query("limits:blobPage", { run, numItems: 1000, cursor });
      seen.push(...page.numbers);
      sizes.push(page.numbers.length);
      if (page.isDone) break;
      expect(page.pageStatus).toBe("SplitRequired");
      cursor = page.continueCursor;
    }
    expect(seen).toEqual(Array.from({ length: COUNT }, (_, n) => n));
    expect(sizes).toEqual([16, 16, 8]);
  });

  test("E-F-14 a mutation that walks over them is refused and changes nothing", async () => {
    expect(await failure(client.mutation("limits:blobPatch", { run }))).toContain("Too many bytes read");
    const page = await client.query<{ numbers: number[] }>("limits:blobPage", { run, numItems: 10, cursor: null });
    expect(page.numbers).toHaveLength(10);
  });

  test("E-F-14 gets of all of them at once are refused, and the backend goes on", async () => {
    const ids = await client.query<string[]>("limits:blobIds", { run, count: 15 });
    expect(await client.query("limits:getAll", { ids })).toBe(15);
    expect(await failure(client.query("limits:getAll", { ids: [...ids, ...ids] }))).toContain("Too many bytes read");
    expect(await client.query("limits:blobs", { run: "nobody" })).toEqual([]);
  });
});
