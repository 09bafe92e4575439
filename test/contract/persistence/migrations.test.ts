import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applyMigrations } from "../../../src/cli/migrations.ts";
import { D1Persistence } from "../../../src/persistence/d1/d1-persistence.ts";
import { migrationFiles, testDatabases, type TestDatabases } from "../../support/d1.ts";

const ROOT = join(import.meta.dirname, "../../..");

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases(4);
});

afterAll(async () => {
  await databases.dispose();
});

test("MIG1 every table with a composite or text key is clustered: one row written per row", async () => {
  const { db } = await databases.create();
  const { results } = await db
    .prepare(
      "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'd1%' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
    )
    .all<{ name: string; sql: string }>();
  const clustered = results.filter(({ sql }) => sql.endsWith("WITHOUT ROWID")).map(({ name }) => name);
  expect(clustered.toSorted()).toEqual([
    "catalog_values",
    "commits",
    "document_overflow",
    "documents",
    "id_counters",
    "index_entries",
    "outcomes",
  ]);
  for (const { name, sql } of results) {
    if (clustered.includes(name)) continue;
    expect(sql, name).not.toMatch(/PRIMARY KEY\(|text PRIMARY KEY|UNIQUE/);
  }
});

test("MIG2 a migration is applied once, and a failing one leaves nothing", async () => {
  const { db } = await databases.create();
  await expect(applyMigrations(db, migrationFiles())).resolves.toEqual([]);
  const good = { name: "9000_good.sql", sql: "CREATE TABLE a (x);\n--> statement-breakpoint\nCREATE TABLE b (x);\n" };
  const bad = {
    name: "9001_bad.sql",
    sql: "CREATE TABLE c (x);\n--> statement-breakpoint\nINSERT INTO nowhere VALUES (1);",
  };
  await expect(applyMigrations(db, [good, bad])).rejects.toThrow("no such table: nowhere");
  const { results } = await db.prepare("SELECT name FROM d1_migrations ORDER BY id").all<{ name: string }>();
  expect(results.map(({ name }) => name)).toEqual([...migrationFiles().map(({ name }) => name), "9000_good.sql"]);
  await expect(db.prepare("SELECT * FROM c").all()).rejects.toThrow("no such table: c");
  await expect(db.prepare("SELECT * FROM b").all()).resolves.toMatchObject({ results: [] });
});

test("MIG3 the first migration leaves one head that nobody wrote", async () => {
  const { db } = await databases.create();
  const { results } = await db.prepare("SELECT * FROM head").all();
  expect(results).toEqual([{ id: 1, ts: 0, writer: "", catalog_ts: 0, retained_from: 0 }]);
});

test("ATT6 a read before the migrations, or after a part of them, says what is missing", async () => {
  const { db } = await databases.create();
  await db.prepare("DROP TABLE index_entries").run();
  await db.prepare("ALTER TABLE head DROP COLUMN retained_from").run();
  await expect(new D1Persistence(db).read([], "latest")).rejects.toMatchObject({ code: "DatabaseNotMigrated" });
  await db.prepare("DROP TABLE head").run();
  await expect(new D1Persistence(db).read([], "latest")).rejects.toMatchObject({ code: "DatabaseNotMigrated" });
});

test("MIG4 the runner works through the binding itself", async () => {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: "export default {}",
      compatibilityDate: "2026-11-01",
      d1Databases: ["DB"],
    }),
  );
  try {
    const db = (await miniflare.getD1Database("DB")) as unknown as D1Database;
    const names = migrationFiles().map(({ name }) => name);
    await expect(applyMigrations(db, migrationFiles())).resolves.toEqual(names);
    await expect(applyMigrations(db, migrationFiles())).resolves.toEqual([]);
  } finally {
    await miniflare.dispose();
  }
});

test("MIG5 the migrations are those of the schema", async () => {
  const folder = await mkdtemp(join(tmpdir(), "migrations-"));
  try {
    await cp(join(ROOT, "migrations"), folder, { recursive: true });
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        join(ROOT, "node_modules/drizzle-kit/bin.cjs"),
        "generate",
        "--dialect=sqlite",
        "--schema=./src/persistence/d1/schema.ts",
        // Relative, because drizzle-kit puts "./" before it.
        `--out=${relative(ROOT, folder)}`,
      ],
      { cwd: ROOT },
    );
    expect(stdout).toContain("No schema changes");
    expect((await readdir(folder)).toSorted()).toEqual((await readdir(join(ROOT, "migrations"))).toSorted());
  } finally {
    await rm(folder, { recursive: true });
  }
});
