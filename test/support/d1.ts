import { join } from "node:path";
import type { D1Database, D1Result } from "@cloudflare/workers-types";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { applyMigrations, type Migration, readMigrations } from "../../src/cli/migrations.ts";

/** Runs statements against the real binding, so that errors and counters are those of D1. */
const SCRIPT = `export default {
  async fetch(request, env) {
    const { database, batch, statements } = await request.json();
    try {
      const bound = statements.map(({ sql, parameters }) => env[database].prepare(sql).bind(...parameters));
      return Response.json({ answers: batch ? await env[database].batch(bound) : [await bound[0].all()] });
    } catch (error) {
      return Response.json({ error: error.message });
    }
  },
};`;

const MAX_VALUE_BYTES = 2_000_000;
const MAX_PARAMETERS = 100;
const MAX_SQL_BYTES = 100_000;

export interface TestDatabases {
  /** A fresh, migrated database. At most `count` of them. */
  create(): Promise<TestDatabase>;
  dispose(): Promise<void>;
}

export interface TestDatabase {
  readonly db: D1Database;
  /** Every answer of D1, newest last. For tests that count rows. */
  readonly answers: D1Result[];
  /** SQL of every statement sent, in the same order as `answers`. */
  readonly sent: string[];
}

interface SentStatement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

export function migrationFiles(): Migration[] {
  return readMigrations(join(import.meta.dirname, "../../migrations"));
}

/** One miniflare with `count` databases, each given out once. */
export async function testDatabases(count: number): Promise<TestDatabases> {
  const names = Array.from({ length: count }, (_, i) => `DB${i}`);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({ modules: true, script: SCRIPT, compatibilityDate: "2026-11-01", d1Databases: names }),
  );
  await miniflare.ready;
  let used = 0;
  return {
    async create() {
      const name = names[used++];
      if (name === undefined) throw new Error(`testDatabases(${count}) is used up`);
      const database = connect(miniflare, name);
      await applyMigrations(database.db, migrationFiles());
      return database;
    },
    dispose: () => miniflare.dispose(),
  };
}

/**
 * A D1 database as seen from Node, with the limits that only production enforces. miniflare's own proxy is right
 * too, but takes 10 ms per call.
 */
function connect(miniflare: Miniflare, database: string): TestDatabase {
  const answers: D1Result[] = [];
  const sent: string[] = [];

  async function send(batch: boolean, statements: readonly SentStatement[]): Promise<D1Result[]> {
    for (const statement of statements) checkLimits(statement);
    const response = await miniflare.dispatchFetch("http://d1/", {
      method: "POST",
      body: JSON.stringify({ database, batch, statements }),
    });
    const body = (await response.json()) as { answers: D1Result[]; error?: string };
    if (body.error !== undefined) throw new Error(body.error);
    answers.push(...body.answers);
    sent.push(...statements.map(({ sql }) => sql));
    return body.answers;
  }

  class Statement implements SentStatement {
    readonly sql: string;
    readonly parameters: readonly unknown[];

    constructor(sql: string, parameters: readonly unknown[]) {
      this.sql = sql;
      this.parameters = parameters;
    }

    bind(...parameters: unknown[]): Statement {
      if (parameters.includes(undefined)) throw new Error("D1_TYPE_ERROR: Type 'undefined' not supported");
      return new Statement(this.sql, parameters);
    }

    async all(): Promise<D1Result | undefined> {
      return (await send(false, [this]))[0];
    }

    run(): Promise<D1Result | undefined> {
      return this.all();
    }
  }

  const db = {
    prepare: (sql: string) => new Statement(sql, []),
    batch: (statements: Statement[]) => send(true, statements),
  } as unknown as D1Database;
  return { db, answers, sent };
}

function checkLimits({ sql, parameters }: SentStatement): void {
  if (sql.length > MAX_SQL_BYTES) throw new Error(`SQL of ${sql.length} bytes`);
  if (parameters.length > MAX_PARAMETERS) throw new Error(`${parameters.length} bound parameters`);
  for (const parameter of parameters) {
    const bytes = typeof parameter === "string" ? Buffer.byteLength(parameter) : 8;
    if (bytes > MAX_VALUE_BYTES) throw new Error(`D1_ERROR: string or blob too big: ${bytes}: SQLITE_TOOBIG`);
  }
}
