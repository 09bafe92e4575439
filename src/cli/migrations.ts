import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The part of D1 that migrations need, as miniflare hands it to Node. */
export interface MigrationDatabase {
  prepare(sql: string): MigrationStatement;
  batch(statements: MigrationStatement[]): Promise<unknown>;
}

export interface MigrationStatement {
  bind(...values: unknown[]): MigrationStatement;
  run(): Promise<unknown>;
  all(): Promise<{ readonly results: readonly Record<string, unknown>[] }>;
}

export interface Migration {
  readonly name: string;
  readonly sql: string;
}

/** Migration files in the order of their names, as `wrangler d1 migrations apply` sees them. */
export function readMigrations(directory: string): Migration[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".sql"))
    .toSorted()
    .map((name) => ({ name, sql: readFileSync(join(directory, name), "utf8") }));
}

/**
 * Applies what is missing, with the book-keeping of `wrangler d1 migrations apply`, so that either tool may go on
 * where the other stopped. Each file is atomic. Returns the names applied.
 */
export async function applyMigrations(db: MigrationDatabase, migrations: readonly Migration[]): Promise<string[]> {
  await db
    .prepare(
      "CREATE TABLE IF NOT EXISTS d1_migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, " +
        "applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    )
    .run();
  const { results } = await db.prepare("SELECT name FROM d1_migrations").all();
  const done = new Set(results.map((row) => row["name"]));
  const missing = migrations.filter((migration) => !done.has(migration.name));
  for (const { name, sql } of missing) {
    await db.batch([
      ...statements(sql).map((statement) => db.prepare(statement)),
      db.prepare("INSERT INTO d1_migrations(name) VALUES (?)").bind(name),
    ]);
  }
  return missing.map((migration) => migration.name);
}

/** Statements of a file. Splits at semicolons outside strings, quoted names, comments and trigger bodies. */
export function statements(sql: string): string[] {
  const found: string[] = [];
  let current = "";
  const token =
    /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|;|[^;'"`[\-/]+|[-/]/g;
  for (const [part] of sql.matchAll(token)) {
    if (part.startsWith("--") || part.startsWith("/*")) current += " ";
    else if (part !== ";") current += part;
    else if (insideTrigger(current)) current += ";";
    else {
      found.push(current.trim());
      current = "";
    }
  }
  found.push(current.trim());
  return found.filter((statement) => statement !== "");
}

function insideTrigger(statement: string): boolean {
  return /^\s*CREATE\s+(?:TEMP\w*\s+)?TRIGGER\b/i.test(statement) && !/\bEND\s*$/i.test(statement);
}
