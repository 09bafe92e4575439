/** One file of `migrations/`: `name` with its extension, as wrangler records it. */
export interface MigrationFile {
  readonly name: string;
  readonly sql: string;
}

/** The bookkeeping table of `wrangler d1 migrations apply`, so that both runners can be mixed on one database. */
const CREATE_BOOKKEEPING = `CREATE TABLE IF NOT EXISTS "d1_migrations"(
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

/** Applies the files that the database hasn't seen, in the order of their names, each atomically. Returns their names. */
export async function applyMigrations(db: D1Database, files: readonly MigrationFile[]): Promise<string[]> {
  await db.prepare(CREATE_BOOKKEEPING).run();
  const { results } = await db.prepare("SELECT name FROM d1_migrations").all<{ name: string }>();
  const applied = new Set(results.map((row) => row.name));
  const pending = files.filter((file) => !applied.has(file.name)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (const file of pending) {
    const statements = file.sql.split("--> statement-breakpoint").filter((sql) => sql.trim() !== "");
    await db.batch([
      ...statements.map((sql) => db.prepare(sql)),
      db.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(file.name),
    ]);
  }
  return pending.map((file) => file.name);
}
