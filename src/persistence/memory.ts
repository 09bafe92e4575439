import { assert, must } from "../shared/assert.ts";
import type { JsonValue } from "../shared/json.ts";
import type { IndexId, IndexKey, InternalId, TableId } from "../engine/names.ts";
import {
  DEFAULT_PAGE_BYTES,
  FencedError,
  isCutShort,
  OutOfRetentionError,
  UNMEASURED_ROWS,
  type CatalogChange,
  type CatalogRows,
  type CommitBatch,
  type DueQueue,
  type Head,
  type HeadProgress,
  type IndexEntry,
  type IndexRow,
  type LoggedTransaction,
  type Persistence,
  type PointRead,
  type RangePage,
  type RangeRead,
  type RangeRow,
  type Read,
  type ReadResult,
  type RecordedOutcome,
  type StoredDocument,
  type TableRow,
} from "../engine/persistence.ts";
import type { Timestamp } from "../engine/timestamp.ts";

/** One value of a key from `ts` until the next version; `null` while the key is absent. */
interface Version<T> {
  readonly ts: Timestamp;
  readonly value: T | null;
}

/** Versions of each key, oldest first. */
type History<T> = Map<string, Version<T>[]>;

const START = 0 as Timestamp;

/** Outcomes outlive their version by this much. */
const OUTCOME_MICROSECONDS = 2 * 24 * 60 * 60 * 1_000_000;

/** The database in memory: the port in its plainest form, for tests and as the model that D1 is compared with. */
export class MemoryPersistence implements Persistence, DueQueue {
  #head: Head = { ts: START, writer: "", catalogTs: START, retainedFrom: START };
  readonly #documents = new Map<TableId, History<StoredDocument>>();
  readonly #entries = new Map<IndexId, History<true>>();
  readonly #due = new Set<IndexKey>();
  #log: LoggedTransaction[] = [];
  readonly #outcomes = new Map<string, RecordedOutcome>();
  readonly #tables = new Map<number, TableRow>();
  readonly #indexes = new Map<number, IndexRow>();
  readonly #values = new Map<string, JsonValue>();
  #maxTableId = 0;
  #maxIndexId = 0;

  async read<const R extends readonly Read[]>(
    reads: R,
    at: Timestamp | "latest",
  ): Promise<{ readonly head: Head; readonly results: { readonly [I in keyof R]: ReadResult<R[I]> } }> {
    const head = this.#head;
    const snapshot = at === "latest" ? head.ts : at;
    this.#assertRetained(snapshot);
    assert(snapshot <= head.ts, () => `snapshot ${snapshot} is newer than the head ${head.ts}`);
    const results = reads.map((read) =>
      read.kind === "get" ? this.#get(read, snapshot) : this.#range(read, snapshot),
    );
    // One result per read, of the kind asked.
    return { head, results: results as unknown as { readonly [I in keyof R]: ReadResult<R[I]> } };
  }

  #get({ tableId, id }: Omit<PointRead, "kind">, at: Timestamp): StoredDocument | null {
    return valueAt(this.#documents.get(tableId)?.get(id), at);
  }

  #range(read: RangeRead, at: Timestamp): RangePage {
    const { tableId, index, interval, order, limit, maxBytes = DEFAULT_PAGE_BYTES } = read;
    const history: History<unknown> | undefined =
      index === "by_id" ? this.#documents.get(tableId) : this.#entries.get(index);
    const keys = [...(history ?? [])]
      .filter(
        ([key, versions]) =>
          key >= interval.start && (interval.end === null || key < interval.end) && valueAt(versions, at) !== null,
      )
      .map(([key]) => key)
      .toSorted();
    if (order === "desc") keys.reverse();
    const rows: RangeRow[] = [];
    let bytes = 0;
    for (const key of keys.slice(0, limit)) {
      if (limit > UNMEASURED_ROWS && bytes >= maxBytes) break;
      const id = key.slice(-32) as InternalId;
      const document = must(this.#get({ tableId, id }, at), `document of entry ${key}`);
      rows.push({ key: key as IndexKey, document });
      bytes += document.size;
    }
    return { rows, more: rows.length === limit || isCutShort(read, rows) };
  }

  async loadCatalog(): Promise<CatalogRows> {
    return {
      head: this.#head,
      tables: [...this.#tables.values()].toSorted((a, b) => a.id - b.id),
      indexes: [...this.#indexes.values()].toSorted((a, b) => a.id - b.id),
      values: new Map(this.#values),
      maxTableId: this.#maxTableId,
      maxIndexId: this.#maxIndexId,
    };
  }

  async commit({
    expected,
    ts,
    writer,
    documents,
    entries,
    transactions,
    outcomes,
    catalog,
    due = [],
  }: CommitBatch): Promise<void> {
    assert(ts > expected.ts, () => `commit at ${ts} does not follow ${expected.ts}`);
    if (this.#head.ts !== expected.ts || this.#head.writer !== expected.writer) {
      throw new FencedError("The head of the database is not what the commit expected.");
    }
    this.#head = { ...this.#head, ts, writer, catalogTs: catalog === null ? this.#head.catalogTs : ts };
    for (const { tableId, id, ts: written, document } of documents) {
      const value = document === null ? null : { json: document.json, size: document.size, ts: written };
      append(historyOf(this.#documents, tableId), id, { ts: written, value });
    }
    for (const entry of entries) this.#addEntry(entry);
    for (const { key, added } of due) {
      if (added) this.#due.add(key);
      else this.#due.delete(key);
    }
    this.#log.push(...structuredClone(transactions));
    for (const outcome of outcomes) this.#outcomes.set(outcomeKey(outcome.sessionId, outcome.requestId), outcome);
    if (catalog !== null) this.#changeCatalog(catalog);
  }

  #addEntry({ indexId, key, ts, deleted }: IndexEntry): void {
    append(historyOf(this.#entries, indexId), key, { ts, value: deleted ? null : true });
  }

  #changeCatalog(change: CatalogChange): void {
    const { upsertTables = [], dropTables = [], upsertIndexes = [], dropIndexes = [], values = [] } = change;
    for (const tableId of dropTables) this.#tables.delete(tableId);
    for (const table of upsertTables) {
      this.#tables.set(table.id, table);
      this.#maxTableId = Math.max(this.#maxTableId, table.id);
    }
    for (const indexId of dropIndexes) this.#indexes.delete(indexId);
    for (const index of upsertIndexes) {
      this.#indexes.set(index.id, index);
      this.#maxIndexId = Math.max(this.#maxIndexId, index.id);
    }
    for (const { key, value } of values) {
      if (value === null) this.#values.delete(key);
      else this.#values.set(key, structuredClone(value));
    }
  }

  async follow(since: Head): Promise<HeadProgress> {
    const head = this.#head;
    if (head.ts === since.ts) return { head, transactions: [] };
    const continuous = since.writer === head.writer || this.#log.some(({ ts }) => ts === since.ts);
    if (since.ts > head.ts || since.ts < head.retainedFrom || !continuous) return { head, transactions: null };
    return { head, transactions: this.#log.filter(({ ts }) => ts > since.ts) };
  }

  async log(after: Timestamp, limit: number): Promise<readonly LoggedTransaction[]> {
    this.#assertRetained(after);
    return this.#log.filter(({ ts }) => ts > after).slice(0, limit);
  }

  async outcome(sessionId: string, requestId: string): Promise<RecordedOutcome | null> {
    return this.#outcomes.get(outcomeKey(sessionId, requestId)) ?? null;
  }

  async due(limit: number): Promise<readonly IndexKey[]> {
    return [...this.#due].toSorted().slice(0, limit);
  }

  async backfill(entries: readonly IndexEntry[], readAt: Timestamp): Promise<void> {
    this.#assertRetained(readAt);
    for (const entry of entries) this.#addEntry(entry);
  }

  async removeIndexEntries(indexId: IndexId, limit: number): Promise<number> {
    return removeVersions(historyOf(this.#entries, indexId), limit);
  }

  async removeDocuments(tableId: TableId, limit: number): Promise<number> {
    return removeVersions(historyOf(this.#documents, tableId), limit);
  }

  async prune(before: Timestamp, limit: number): Promise<boolean> {
    const to = Math.min(before, this.#head.ts) as Timestamp;
    if (to > this.#head.retainedFrom) this.#head = { ...this.#head, retainedFrom: to };
    const { retainedFrom } = this.#head;
    this.#log = this.#log.filter(({ ts }) => ts > retainedFrom);
    for (const [key, { ts }] of this.#outcomes) {
      if (ts < before - OUTCOME_MICROSECONDS) this.#outcomes.delete(key);
    }
    let removed = 0;
    for (const history of [...this.#documents.values(), ...this.#entries.values()]) {
      for (const [key, versions] of history) {
        if (removed >= limit) return true;
        removed += pruneVersions<unknown>(versions, retainedFrom);
        if (versions.length === 0) history.delete(key);
      }
    }
    return false;
  }

  #assertRetained(at: Timestamp): void {
    const { retainedFrom } = this.#head;
    if (at < retainedFrom) {
      throw new OutOfRetentionError(`Snapshot ${at} is older than ${retainedFrom}, the oldest one retained.`);
    }
  }
}

function historyOf<Id, T>(histories: Map<Id, History<T>>, id: Id): History<T> {
  let history = histories.get(id);
  if (history === undefined) histories.set(id, (history = new Map()));
  return history;
}

function removeVersions<T>(history: History<T>, limit: number): number {
  let removed = 0;
  for (const [key, versions] of history) {
    removed += versions.splice(0, limit - removed).length;
    if (versions.length === 0) history.delete(key);
    if (removed === limit) break;
  }
  return removed;
}

/** A version that is present already is kept: only back-fills repeat one. */
function append<T>(history: History<T>, key: string, version: Version<T>): void {
  const versions = history.get(key) ?? [];
  if (versions.some(({ ts }) => ts === version.ts)) return;
  history.set(
    key,
    [...versions, version].toSorted((a, b) => a.ts - b.ts),
  );
}

function valueAt<T>(versions: readonly Version<T>[] | undefined, at: Timestamp): T | null {
  return versions?.findLast(({ ts }) => ts <= at)?.value ?? null;
}

/** Removes what no snapshot from `retainedFrom` on can see: all before the one visible there, and that if it's a tombstone. */
function pruneVersions<T>(versions: Version<T>[], retainedFrom: Timestamp): number {
  const visible = versions.findLastIndex(({ ts }) => ts <= retainedFrom);
  if (visible < 0) return 0;
  return versions.splice(0, versions[visible]?.value === null ? visible + 1 : visible).length;
}

function outcomeKey(sessionId: string, requestId: string): string {
  return JSON.stringify([sessionId, requestId]);
}
