import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConvexClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { ConvexApp, schemaFile } from "../../support/convex-app.ts";
import { spawnConvex } from "../../support/convex-cli.ts";
import { FunctionClient } from "../../support/function-client.ts";

const READ = `import { query } from "./_generated/server";
export const kinds = query({
  args: {},
  handler: async (ctx) => {
    const old = await ctx.db.query("rows").withIndex("by_old", (q) => q.eq("old", true)).collect();
    const added = await ctx.db.query("rows").withIndex("by_old", (q) => q.eq("old", false)).collect();
    // Arrays that functions return are shorter than this one.
    return { old: old.length, added: added.length, numbers: added.map(({ n }) => n).join() };
  },
});
`;

const COUNT = 15_000;

let data: string;
let app: ConvexApp;
let backend: TestBackend | undefined;

beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), "convection-data-"));
  app = new ConvexApp({
    "convex/read.ts": READ,
    "convex/schema.ts": schemaFile({ rows: `({ n: v.number(), old: v.boolean() }).index("by_old", ["old"])` }),
    "old.jsonl": Array.from({ length: 10 }, (_, n) => JSON.stringify({ n, old: true })).join("\n"),
    "new.jsonl": Array.from({ length: COUNT }, (_, n) => JSON.stringify({ n, old: false })).join("\n"),
  });
});

afterAll(async () => {
  await backend?.kill();
  app?.[Symbol.dispose]();
  rmSync(data, { recursive: true, force: true });
});

interface Import {
  readonly state: { readonly state: string; readonly progress_message?: string; readonly num_rows_written?: bigint };
}

/** Waits until the newest import is as `is` wants it. */
async function seen({ url, adminKey }: TestBackend, is: (found: Import) => boolean): Promise<Import> {
  const client = new ConvexClient(url);
  const authority: { setAdminAuth?: (key: string) => void } = client.client as object;
  authority.setAdminAuth?.(adminKey);
  try {
    return await new Promise<Import>((resolve, reject) => {
      const list = makeFunctionReference<"query", Record<string, never>, Import[]>("_system/cli/queryImport:list");
      client.onUpdate(list, {}, ([newest]) => newest !== undefined && is(newest) && resolve(newest), reject);
    });
  } finally {
    await client.close();
  }
}

test("P-X-2 XFER3 killed in the middle of a replacement: the old data is whole, then all of the new, each row once", async () => {
  backend = await startBackend({ data });
  await app.deploy(backend);
  expect((await app.convex(backend, "import", "--table", "rows", "old.jsonl")).code).toBe(0);
  const cli = spawnConvex(app.path, backend, ["import", "--replace", "--yes", "--table", "rows", "new.jsonl"]);
  const partly = await seen(backend, ({ state }) => /\([1-9]\d*\/\d+ doc/.test(state.progress_message ?? ""));
  await backend.kill();
  await cli.kill();
  expect(partly.state.state).toBe("in_progress");

  backend = await startBackend({ data });
  const client = new FunctionClient(backend.url);
  const { old, added } = await client.query<{ old: number; added: number }>("read:kinds");
  // One or the other, whatever the import has done since the start.
  expect([
    [10, 0],
    [0, COUNT],
  ]).toContainEqual([old, added]);
  const { state } = await seen(backend, (found) => found.state.state !== "in_progress");
  expect(state).toMatchObject({ state: "completed", num_rows_written: BigInt(COUNT) });
  const numbers = Array.from({ length: COUNT }, (_, n) => n).join();
  expect(await client.query("read:kinds")).toEqual({ old: 0, added: COUNT, numbers });
});
