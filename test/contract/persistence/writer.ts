import type { IndexId, IndexKey, InternalId, TableId } from "../../../src/engine/names.ts";
import type {
  CatalogChange,
  CommitBatch,
  DocumentVersion,
  Head,
  IndexEntry,
  IndexRef,
  LoggedTransaction,
  Persistence,
  RecordedOutcome,
} from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";

export const TABLE = 1 as TableId;
/** Indexes of `TABLE`, each on the document's field of the same position in `Fields`. */
export const INDEXES = [11 as IndexId, 12 as IndexId, 13 as IndexId, 14 as IndexId];

/** Hex of the indexed values. A document has a key in as many indexes as it has fields. */
export type Fields = readonly string[];

export interface Change {
  readonly id: InternalId;
  /** `null` deletes. */
  readonly fields: Fields | null;
  /** Anything else the document holds. */
  readonly body?: unknown;
  readonly json?: string;
}

export function internalId(n: number): InternalId {
  return n.toString(16).toUpperCase().padStart(32, "0") as InternalId;
}

export function indexKey(field: string, id: InternalId): IndexKey {
  return `${field}${id}` as IndexKey;
}

export function put(n: number, fields: Fields, body?: unknown): Change {
  return { id: internalId(n), fields, body };
}

export function remove(n: number): Change {
  return { id: internalId(n), fields: null };
}

export function jsonOf({ id, fields, body, json }: Change): string {
  return json ?? JSON.stringify({ _id: id, fields, body });
}

/**
 * The least that can call itself a Transactor: knows every document's keys, makes batches of transactions, moves the
 * head. What it writes into a batch follows the contract of `CommitBatch`.
 */
export class TestWriter {
  readonly #persistence: Persistence;
  readonly name: string;
  head: Pick<Head, "ts" | "writer">;
  readonly #fields: Map<InternalId, Fields>;
  readonly #known: Set<InternalId>;

  constructor(persistence: Persistence, name = "w1", takesOver?: TestWriter) {
    this.#persistence = persistence;
    this.name = name;
    this.head = takesOver?.head ?? { ts: 0 as Timestamp, writer: "" };
    this.#fields = new Map(takesOver ? takesOver.#fields : []);
    this.#known = new Set(takesOver ? takesOver.#known : []);
  }

  /** Commits a group of transactions, 10 µs apart. Returns the timestamp of each. */
  async commit(
    group: readonly (readonly Change[])[],
    extra: { catalog?: CatalogChange; outcomes?: readonly Omit<RecordedOutcome, "ts">[] } = {},
  ): Promise<Timestamp[]> {
    const batch = this.batch(group, extra);
    await this.#persistence.commit(batch);
    this.committed(batch);
    return batch.transactions.map(({ ts }) => ts);
  }

  committed(batch: CommitBatch): void {
    this.head = { ts: batch.ts, writer: batch.writer };
  }

  /** The batch, whose documents this writer counts as written from now on. */
  batch(
    group: readonly (readonly Change[])[],
    extra: { catalog?: CatalogChange; outcomes?: readonly Omit<RecordedOutcome, "ts">[] } = {},
  ): CommitBatch {
    const before = new Map(this.#fields);
    const transactions: LoggedTransaction[] = [];
    const last = new Map<InternalId, { change: Change; ts: Timestamp }>();
    let ts: Timestamp = this.head.ts;
    for (const changes of group) {
      ts = (ts + 10) as Timestamp;
      const keys: [IndexRef, IndexKey][] = [];
      for (const change of changes) {
        keys.push([`t${TABLE}`, change.id as string as IndexKey]);
        for (const fields of [this.#fields.get(change.id), change.fields]) {
          for (const [i, field] of (fields ?? []).entries()) keys.push([`i${INDEXES[i]}`, indexKey(field, change.id)]);
        }
        if (change.fields === null) this.#fields.delete(change.id);
        else this.#fields.set(change.id, change.fields);
        last.set(change.id, { change, ts });
      }
      transactions.push({ ts, keys });
    }
    const documents: DocumentVersion[] = [];
    const entries: IndexEntry[] = [];
    for (const [id, { change, ts: written }] of last) {
      const supersedes = this.#known.has(id);
      if (change.fields === null && !supersedes) continue;
      const json = jsonOf(change);
      const document = change.fields === null ? null : { json, size: json.length };
      documents.push({ tableId: TABLE, id, ts: written, document, supersedes });
      this.#known.add(id);
      const old = before.get(id) ?? [];
      const now = change.fields ?? [];
      for (const [i, indexId] of INDEXES.entries()) {
        if (old[i] === now[i]) continue;
        if (old[i] !== undefined) entries.push({ indexId, key: indexKey(old[i], id), ts: written, deleted: true });
        if (now[i] !== undefined) entries.push({ indexId, key: indexKey(now[i], id), ts: written, deleted: false });
      }
    }
    return {
      expected: this.head,
      ts,
      writer: this.name,
      documents,
      entries,
      transactions,
      outcomes: (extra.outcomes ?? []).map((outcome) => ({ ...outcome, ts })),
      catalog: extra.catalog ?? null,
    };
  }
}
