import type { SessionState, ShardSnapshot, StoredClient, StoredQuery } from "./snapshot.ts";

/** UTF-16 units in one row: a value may have two million bytes, and a unit takes three at most. */
const PIECE = 600_000;

const FORMAT = "1";

/** The part of a client that changes with every Transition: kept with its socket, where it costs no row. */
export interface Position {
  readonly sent: SessionState["sent"];
  readonly minTs: number;
}

/**
 * A shard's snapshot in the storage of its object. It counts only from `save` to `spoil`: what is said to a client
 * after that is not in it, and a chain of versions that begins in the past is worse than a closed socket.
 */
export class StoredState {
  readonly #sql: SqlStorage;
  /** Digests of the rows as they are stored, by table and id. */
  readonly #stored = new Map<string, string>();
  readonly #digest: (text: string) => string;
  #valid: boolean;

  constructor(sql: SqlStorage, digest: (text: string) => string) {
    this.#sql = sql;
    this.#digest = digest;
    sql.exec("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
    sql.exec(
      "CREATE TABLE IF NOT EXISTS rows (id TEXT NOT NULL, part INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY (id, part)) WITHOUT ROWID",
    );
    this.#valid = this.#meta("valid") === FORMAT;
  }

  get valid(): boolean {
    return this.#valid;
  }

  /** Of the snapshot, null if there is none that counts. */
  get ts(): number | null {
    return this.#valid ? Number(this.#meta("ts")) : null;
  }

  /** Before anything is said to a client that the snapshot does not know. One row written, and only once. */
  spoil(): void {
    if (!this.#valid) return;
    this.#valid = false;
    this.#sql.exec("DELETE FROM meta WHERE key = 'valid'");
  }

  /** Writes what has changed since the last snapshot. The caller keeps each client's `Position`. */
  save({ ts, queries, clients }: ShardSnapshot): void {
    const rows = new Map<string, string>();
    for (const query of queries) rows.set(`q${query.id}`, JSON.stringify(query));
    for (const { id, session, queries: joined } of clients) {
      rows.set(`c${id}`, JSON.stringify({ session: withoutPosition(session), queries: joined }));
    }
    for (const id of this.#stored.keys()) {
      if (rows.has(id)) continue;
      this.#sql.exec("DELETE FROM rows WHERE id = ?", id);
      this.#stored.delete(id);
    }
    for (const [id, json] of rows) {
      const digest = this.#digest(json);
      if (this.#stored.get(id) === digest) continue;
      this.#sql.exec("DELETE FROM rows WHERE id = ?", id);
      for (let part = 0; part * PIECE < json.length; part++) {
        const piece = json.slice(part * PIECE, (part + 1) * PIECE);
        this.#sql.exec("INSERT INTO rows (id, part, json) VALUES (?, ?, ?)", id, part, piece);
      }
      this.#stored.set(id, digest);
    }
    this.#sql.exec("INSERT OR REPLACE INTO meta (key, value) VALUES ('ts', ?), ('valid', ?)", String(ts), FORMAT);
    this.#valid = true;
  }

  /** The snapshot with the clients whose sockets are still there. */
  load(positions: ReadonlyMap<string, Position>): ShardSnapshot | null {
    const { ts } = this;
    const texts = new Map<string, string>();
    for (const { id, json } of this.#sql.exec<{ id: string; json: string }>(
      "SELECT id, json FROM rows ORDER BY id, part",
    )) {
      texts.set(id, (texts.get(id) ?? "") + json);
    }
    // Rows that count no more are replaced or removed by the next snapshot.
    for (const [id, json] of texts) this.#stored.set(id, this.#digest(json));
    if (ts === null) return null;
    const queries: StoredQuery[] = [];
    const clients: StoredClient[] = [];
    for (const [id, json] of texts) {
      // Written by `save`.
      if (id.startsWith("q")) {
        queries.push(JSON.parse(json));
        continue;
      }
      const position = positions.get(id.slice(1));
      if (position === undefined) continue;
      const client: Pick<StoredClient, "queries"> & { readonly session: SessionState } = JSON.parse(json);
      clients.push({ ...client, id: id.slice(1), session: { ...client.session, ...position } });
    }
    return { ts, queries, clients };
  }

  #meta(key: string): string | null {
    const [row] = this.#sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = ?", key).toArray();
    return row?.value ?? null;
  }
}

/** What each query sent last is what its shared result says: every client is up to date in a snapshot. */
function withoutPosition(session: SessionState): object {
  const queries = session.queries.map((query) => ({ ...query, sent: undefined }));
  return { ...session, queries, sent: undefined, minTs: undefined };
}
