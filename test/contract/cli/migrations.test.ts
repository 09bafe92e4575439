import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { afterEach, expect, test } from "vitest";
import { applyMigrations, readMigrations, type MigrationDatabase } from "../../../src/cli/migrations.ts";
import { FIXTURES, ROOT } from "../../support/paths.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function database(): Promise<MigrationDatabase> {
  const runtime = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: "export default {}",
      compatibilityDate: "2026-11-01",
      cf: false,
      d1Databases: ["DB"],
    }),
  );
  cleanups.push(() => runtime.dispose());
  return await runtime.getD1Database("DB");
}

async function column(db: MigrationDatabase, sql: string): Promise<unknown[]> {
  return (await db.prepare(sql).all()).results.flatMap((row) => Object.values(row));
}

const FIRST = { name: "0000_a.sql", sql: "CREATE TABLE a (x TEXT);\nINSERT INTO a VALUES ('one');" };
const SECOND = { name: "0001_b.sql", sql: "INSERT INTO a VALUES ('two')" };

test("MIG2 what is missing is applied in order and once, a file wholly or not at all", async () => {
  const db = await database();
  expect(await applyMigrations(db, [FIRST])).toEqual(["0000_a.sql"]);
  const broken = { name: "0001_b.sql", sql: "INSERT INTO a VALUES ('never'); INSERT INTO nowhere VALUES (1)" };
  await expect(applyMigrations(db, [FIRST, broken])).rejects.toThrow(/nowhere/);
  expect(await column(db, "SELECT x FROM a")).toEqual(["one"]);
  expect(await applyMigrations(db, [FIRST, SECOND])).toEqual(["0001_b.sql"]);
  expect(await applyMigrations(db, [FIRST, SECOND])).toEqual([]);
  expect(await column(db, "SELECT x FROM a")).toEqual(["one", "two"]);
  expect(await column(db, "SELECT name FROM d1_migrations ORDER BY id")).toEqual(["0000_a.sql", "0001_b.sql"]);
});

test("MIG7 wrangler sees what we applied as applied, and we see what wrangler applied", async () => {
  const folder = mkdtempSync(join(tmpdir(), "convection-migrations-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(FIXTURES, "cli-backend/migrations"), join(folder, "migrations"), { recursive: true });
  writeFileSync(
    join(folder, "wrangler.toml"),
    'name = "x"\ncompatibility_date = "2026-11-01"\n' +
      '[[d1_databases]]\nbinding = "DB"\ndatabase_name = "x"\ndatabase_id = "x"\nmigrations_dir = "migrations"\n',
  );
  const wrangler = (...args: string[]) => {
    const result = spawnSync(
      process.execPath,
      [
        join(ROOT, "node_modules/wrangler/bin/wrangler.js"),
        "d1",
        ...args,
        "--local",
        "--persist-to",
        join(folder, "state"),
      ],
      { cwd: folder, encoding: "utf8", env: { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false" } },
    );
    expect({ status: result.status, error: result.stderr }).toEqual({ status: 0, error: "" });
    return result.stdout;
  };
  wrangler("migrations", "apply", "DB");
  const dump: unknown = JSON.parse(
    wrangler("execute", "DB", "--json", "--command", "SELECT id, name FROM d1_migrations"),
  );
  expect(dump).toMatchObject([{ results: [{ name: "0000_notes.sql" }, { name: "0001_more.sql" }] }]);
  const schema: unknown = JSON.parse(
    wrangler("execute", "DB", "--json", "--command", "SELECT sql FROM sqlite_master WHERE name = 'd1_migrations'"),
  );

  const db = await database();
  await applyMigrations(db, readMigrations(join(folder, "migrations")));
  const [ours] = await column(db, "SELECT sql FROM sqlite_master WHERE name = 'd1_migrations'");
  expect(columns(String(ours))).toEqual(columns(JSON.stringify(schema)));
});

/** Column definitions of a CREATE TABLE, white space and case aside. */
function columns(sql: string): string[] {
  return (/\((.*)\)/s.exec(sql.replaceAll(/\\[nt]/g, " "))?.[1] ?? "")
    .split(",")
    .map((definition) => definition.trim().replaceAll(/\s+/g, " "));
}
