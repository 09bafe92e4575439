import type { JsonValue } from "../../src/shared/json.ts";
import type { IndexEntry } from "../../src/engine/persistence.ts";
import {
  type CatalogRows,
  type CommitBatch,
  FencedError,
  type Head,
  type HeadProgress,
  type IndexRow,
  type LoggedTransaction,
  type Persistence,
  type RangePage,
  type RangeRead,
  type Read,
  type ReadResult,
  type RecordedOutcome,
  type StoredDocument,
  type TableRow,
} from "../../src/engine/persistence.ts";
import type { IndexKey, InternalId, TableId } from "../../src/engine/names.ts";
import type { Timestamp } from "../../src/engine/timestamp.ts";

const ZERO = 0 as Timestamp;

/** Storage that only knows its newest state, for tests of commit order, which reads nothing else. */
export class SimplePersistence implements Persistence {
  head: Head = { ts: ZERO, writer: "", catalogTs: ZERO, retainedFrom: ZERO };
  readonly documents = new Map<string, StoredDocument>();
  readonly entries = new Map<string, Map<IndexKey, true>>();
  readonly transactions: LoggedTransaction[] = [];
  readonly outcomes = new Map<string, RecordedOutcome>();
  readonly tables = new Map<number, TableRow>();
  readonly indexes = new Map<number, IndexRow>();
  readonly values = new Map<string, JsonValue>();
  batches: CommitBatch[] = [];
  reads = 0;

  async read<const R extends readonly Read[]>(
    reads: R,
    at: Timestamp | "latest",
  ): Promise<{ readonly head: Head; readonly results: { readonly [I in keyof R]: ReadResult<R[I]> } }> {
    if (at !== "latest") throw new Error("Only the newest state is kept");
    this.reads += 1;
    const results = reads.map((read) =>
      read.kind === "get" ? (this.documents.get(`${read.tableId}:${read.id}`) ?? null) : this.#range(read),
    );
    return { head: this.head, results: results as unknown as { readonly [I in keyof R]: ReadResult<R[I]> } };
  }

  #range({ tableId, index, interval, order, limit }: RangeRead): RangePage {
    const keys =
      index === "by_id"
        ? [...this.documents.keys()]
            .filter((key) => key.startsWith(`${tableId}:`))
            .map((key) => key.split(":")[1] ?? "")
        : [...(this.entries.get(`${index}`)?.keys() ?? [])];
    const inside = keys
      .filter((key) => key >= interval.start && (interval.end === null || key < interval.end))
      .toSorted();
    if (order === "desc") inside.reverse();
    const rows = inside.slice(0, limit).map((key) => {
      const document = this.documents.get(`${tableId}:${key.slice(-32)}`);
      if (document === undefined) throw new Error(`Index key ${key} has no document`);
      return { key: key as IndexKey, document };
    });
    return { rows, more: rows.length === limit };
  }

  async loadCatalog(): Promise<CatalogRows> {
    return {
      head: this.head,
      tables: [...this.tables.values()],
      indexes: [...this.indexes.values()],
      values: new Map(this.values),
      maxTableId: Math.max(0, ...this.tables.keys()),
      maxIndexId: Math.max(0, ...this.indexes.keys()),
    };
  }

  async commit(batch: CommitBatch): Promise<void> {
    if (batch.expected.ts !== this.head.ts || batch.expected.writer !== this.head.writer) {
      throw new FencedError("The head is not what was expected");
    }
    if (batch.ts <= this.head.ts) throw new Error("Timestamps went back");
    this.batches.push(batch);
    this.head = { ...this.head, ts: batch.ts, writer: batch.writer };
    for (const { tableId, id, document, ts } of batch.documents) {
      if (document === null) this.documents.delete(`${tableId}:${id}`);
      else this.documents.set(`${tableId}:${id}`, { ...document, ts });
    }
    for (const entry of batch.entries) this.#addEntry(entry);
    this.transactions.push(...batch.transactions);
    for (const outcome of batch.outcomes) {
      const key = `${outcome.sessionId}/${outcome.requestId}`;
      if (this.outcomes.has(key)) throw new Error(`Outcome ${key} was recorded twice`);
      this.outcomes.set(key, outcome);
    }
    if (batch.catalog === null) return;
    this.head = { ...this.head, catalogTs: batch.ts };
    for (const table of batch.catalog.upsertTables ?? []) this.tables.set(table.id, table);
    for (const index of batch.catalog.upsertIndexes ?? []) this.indexes.set(index.id, index);
    for (const id of batch.catalog.dropIndexes ?? []) this.indexes.delete(id);
    for (const { key, value } of batch.catalog.values ?? []) {
      if (value === null) this.values.delete(key);
      else this.values.set(key, value);
    }
  }

  #addEntry({ indexId, key, deleted }: IndexEntry): void {
    let entries = this.entries.get(`${indexId}`);
    if (entries === undefined) this.entries.set(`${indexId}`, (entries = new Map()));
    if (deleted !== entries.has(key)) throw new Error(`Entry ${key} is ${deleted ? "not there" : "there already"}`);
    if (deleted) entries.delete(key);
    else entries.set(key, true);
  }

  async follow(since: Head): Promise<HeadProgress> {
    return { head: this.head, transactions: await this.log(since.ts, Number.POSITIVE_INFINITY) };
  }

  async log(after: Timestamp, limit: number): Promise<readonly LoggedTransaction[]> {
    return this.transactions.filter(({ ts }) => ts > after).slice(0, limit);
  }

  async outcome(sessionId: string, requestId: string): Promise<RecordedOutcome | null> {
    return this.outcomes.get(`${sessionId}/${requestId}`) ?? null;
  }

  async backfill(): Promise<void> {
    throw new Error("Not part of commit order");
  }

  async removeIndexEntries(): Promise<number> {
    throw new Error("Not part of commit order");
  }

  async removeDocuments(): Promise<number> {
    throw new Error("Not part of commit order");
  }

  pruned: Timestamp[] = [];

  async prune(before: Timestamp): Promise<boolean> {
    this.pruned.push(before);
    return false;
  }

  /** Stored documents of a table, parsed, by id. */
  table(tableId: TableId): Map<InternalId, JsonValue> {
    const rows = new Map<InternalId, JsonValue>();
    for (const [key, { json }] of this.documents) {
      const [table, id] = key.split(":");
      if (table === `${tableId}`) rows.set(id as InternalId, JSON.parse(json));
    }
    return rows;
  }
}
