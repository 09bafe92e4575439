import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp, schemaFile } from "../../support/convex-app.ts";
import { failure, FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";

/** Indexes over tables that are large, and over documents that are. */

const ROWS = readFileSync(join(FIXTURES, "pushes/convex/rows.ts"), "utf8");
const DOCUMENTS = 100_000;
const BY_N = '({ n: v.number(), group: v.number(), text: v.string() }).index("by_n", ["n"])';

let backend: TestBackend;
let client: FunctionClient;
let app: ConvexApp;

beforeAll(async () => {
  backend = await startBackend();
  client = new FunctionClient(backend.url);
  app = new ConvexApp({ "convex/rows.ts": ROWS, "convex/schema.ts": schemaFile({ big: BY_N }) });
  await app.deploy(backend);
});

afterAll(async () => {
  app?.[Symbol.dispose]();
  await backend?.stop();
});

/** `[n, group]` of every document, through an index. */
async function through(table: string, index: string): Promise<[number, number][]> {
  const rows: [number, number][] = [];
  let cursor: string | null = null;
  for (;;) {
    const page: { rows: [number, number][]; isDone: boolean; continueCursor: string } = await client.query(
      "rows:page",
      { table, index, paginationOpts: { numItems: 8_000, cursor } },
    );
    rows.push(...page.rows);
    if (page.isDone) return rows;
    cursor = page.continueCursor;
  }
}

test("P-D-11 an index over 100,000 documents is built while reads and writes are answered, and holds them all", async () => {
  const table = "big";
  for (let from = 0; from < DOCUMENTS; from += 10_000) {
    await client.mutation("rows:insertMany", { table, from, count: 10_000 });
  }
  const second = `${BY_N}.index("by_group_n", ["group", "n"])`;
  app.write({ "convex/schema.ts": schemaFile({ big: second }) });

  let pushed = false;
  const push = app.deploy(backend, "--skip-large-indexes-check").finally(() => {
    pushed = true;
  });
  const answered = { reads: 0, writes: 0 };
  let duringBackfill = 0;
  const model = new Map(Array.from({ length: DOCUMENTS }, (_, n) => [n, n % 10]));
  for (let n = 0; !pushed; n++) {
    const changed = (n * 7919) % DOCUMENTS;
    const gone = (n * 104_729 + 13) % DOCUMENTS;
    const fresh = DOCUMENTS + n;
    await client.mutation("rows:churn", { table, n: changed, fresh, gone });
    answered.writes++;
    if (model.has(changed)) model.set(changed, 77);
    model.delete(gone);
    model.set(fresh, 88);
    const asked = await client.query("rows:list", { table, index: "by_group_n", field: "group", value: 88 }).then(
      () => "answered",
      (error: unknown) => String(error),
    );
    if (asked.includes("is currently backfilling")) duringBackfill++;
    else expect(asked).toMatch(/^answered$|Index big\.by_group_n not found\./);
    expect(await client.query("rows:list", { table, index: "by_n", field: "n", value: fresh })).toHaveLength(1);
    answered.reads += 2;
  }
  await push;
  expect(duringBackfill).toBeGreaterThan(0);
  expect(answered.writes).toBeGreaterThan(0);

  const byGroup = await through(table, "by_group_n");
  const wanted = [...model].toSorted(([a, x], [b, y]) => x - y || a - b);
  expect(byGroup.length).toBe(wanted.length);
  expect(byGroup).toEqual(wanted);
  // The backend goes on: what comes after the push is in the index too.
  await client.mutation("rows:churn", { table, n: 1, fresh: -1, gone: -2 });
  expect(await client.query("rows:list", { table, index: "by_group_n", field: "group", value: 77 })).not.toEqual([]);
  console.log(JSON.stringify({ ...answered, duringBackfill }));
});

test("P-D-11 the command line is told that an index over 100,000 documents is large", async () => {
  app.write({ "convex/schema.ts": schemaFile({ big: `${BY_N}.index("by_text", ["text"])` }) });
  const printed = await app.failedDeploy(backend);
  expect(printed).toMatch(/100,\d{3} documents/);
  expect(await failure(client.query("rows:list", { table: "big", index: "by_text" }))).toContain("not found");
});

test("P-D-11 P-D-10 a table of 1 MiB documents is checked and indexed", async () => {
  const bytes = new ArrayBuffer(1024 * 1024 - 300);
  for (let n = 0; n < 40; n++) {
    await client.mutation("rows:insert", { table: "heavy", value: { n, group: 39 - n, bytes } });
  }
  const tables = {
    big: BY_N,
    heavy: '({ n: v.number(), group: v.number(), bytes: v.bytes() }).index("by_group", ["group"])',
  };
  app.write({ "convex/schema.ts": schemaFile(tables) });
  await app.deploy(backend, "--skip-large-indexes-check");
  const rows: [number, number][] = [];
  let cursor: string | null = null;
  for (;;) {
    const page: { rows: [number, number][]; isDone: boolean; continueCursor: string } = await client.query(
      "rows:page",
      { table: "heavy", index: "by_group", paginationOpts: { numItems: 100, cursor } },
    );
    expect(page.rows.length).toBeLessThanOrEqual(16);
    rows.push(...page.rows);
    if (page.isDone) break;
    cursor = page.continueCursor;
  }
  expect(rows).toEqual(Array.from({ length: 40 }, (_, group) => [39 - group, group]));
});
