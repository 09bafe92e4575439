import type { JsonValue } from "../shared/json.ts";
import type { ComponentPath, IndexId, IndexKey, InternalId, TableId, TableNumber } from "./names.ts";
import type { Interval } from "./interval.ts";
import type { Timestamp } from "./timestamp.ts";

/** The one row that every commit compares and sets. */
export interface Head {
  /** Timestamp of the newest durable transaction. A snapshot at `ts` sees everything acknowledged so far. */
  readonly ts: Timestamp;
  /** Random id of the Transactor instance that wrote the head last. */
  readonly writer: string;
  /** Timestamp of the newest commit that changed the catalog. A cached catalog is current iff this is equal. */
  readonly catalogTs: Timestamp;
  /** Snapshots older than this can't be read any more. */
  readonly retainedFrom: Timestamp;
}

/** A document version as stored. `json` is the ConvexJSON text of the whole document, system fields included. */
export interface StoredDocument {
  readonly json: string;
  /** Convex size in bytes (`abi.md` §3.2), system fields included. */
  readonly size: number;
  /** Timestamp of the transaction that wrote this version. */
  readonly ts: Timestamp;
}

export interface PointRead {
  readonly kind: "get";
  readonly tableId: TableId;
  readonly id: InternalId;
}

export interface RangeRead {
  readonly kind: "range";
  readonly tableId: TableId;
  /** `"by_id"` reads the documents table itself, whose key is the internal id. */
  readonly index: IndexId | "by_id";
  readonly interval: Interval;
  readonly order: "asc" | "desc";
  /** At least 1. The result never has more rows. */
  readonly limit: number;
  /** Where a long page ends early, `DEFAULT_PAGE_BYTES` if absent: see `RangePage`. */
  readonly maxBytes?: number;
}

/** A page of a range ends here although more rows were asked for: what holds it in memory has 128 MB in all. */
export const DEFAULT_PAGE_BYTES = 4 * 1024 * 1024;

/** Pages of so few rows are read whole whatever their bytes: looking at sizes first costs short reads a fifth. */
export const UNMEASURED_ROWS = 20;

export type Read = PointRead | RangeRead;

export interface RangeRow {
  readonly key: IndexKey;
  readonly document: StoredDocument;
}

/**
 * Ends at the limit, at the end of the interval, or, if more than `UNMEASURED_ROWS` were asked for, with the document
 * that makes the sizes of all of them reach `maxBytes`.
 */
export interface RangePage {
  readonly rows: readonly RangeRow[];
  /** False when the interval holds nothing beyond the last row. True may be a false alarm. */
  readonly more: boolean;
}

/** Whether a page ended because of its bytes. */
export function isCutShort({ limit, maxBytes = DEFAULT_PAGE_BYTES }: RangeRead, rows: readonly RangeRow[]): boolean {
  if (limit <= UNMEASURED_ROWS || rows.length === limit) return false;
  let bytes = 0;
  for (const { document } of rows) bytes += document.size;
  return bytes >= maxBytes;
}

/** Result of a read, in the order asked: `StoredDocument | null` for a point, a page for a range. */
export type ReadResult<R extends Read = Read> = R extends PointRead ? StoredDocument | null : RangePage;

export interface DocumentVersion {
  readonly tableId: TableId;
  readonly id: InternalId;
  readonly ts: Timestamp;
  /** `null` marks the deletion (tombstone). */
  readonly document: { readonly json: string; readonly size: number } | null;
  /** True when an older version exists, which clean-up removes once no snapshot can see it. */
  readonly supersedes: boolean;
}

/** Entry of a user index or of `by_creation_time`. Written only when a key appears or disappears. */
export interface IndexEntry {
  readonly indexId: IndexId;
  readonly key: IndexKey;
  readonly ts: Timestamp;
  /** True: the key is gone since `ts` (tombstone). */
  readonly deleted: boolean;
}

/** A key that enters or leaves the queue of jobs (`due-queue.ts`). Never versioned: what leaves is gone at once. */
export interface DueChange {
  readonly key: IndexKey;
  readonly added: boolean;
}

/** What a client may ask again: the recorded outcome of a mutation, keyed by its idempotency ids. */
export interface RecordedOutcome {
  readonly sessionId: string;
  readonly requestId: string;
  readonly ts: Timestamp;
  /** JSON text of the outcome as first answered. */
  readonly outcome: string;
}

/** One transaction in the commit log: what subscribers compare with their read sets. */
export interface LoggedTransaction {
  readonly ts: Timestamp;
  /** Every key, before and after, of every written document in every index of its table. */
  readonly keys: readonly (readonly [index: IndexRef, key: IndexKey])[];
}

/**
 * Names an index in read sets and in the commit log: `"t<TableId>"` for a table's `by_id`, `"i<IndexId>"` for the
 * others, `"tables"` for table names (key = hex of `component \0 name`) and `"catalog"` for everything else there.
 * The first transaction of every writer also has a key of `"writer"`, its id, which nobody reads.
 */
export type IndexRef = string;

export interface TableRow {
  readonly id: TableId;
  readonly component: ComponentPath;
  readonly name: string;
  readonly number: TableNumber;
}

export type IndexDefinition =
  | { readonly type: "database"; readonly fields: readonly string[] }
  | { readonly type: "search"; readonly searchField: string; readonly filterFields: readonly string[] }
  | {
      readonly type: "vector";
      readonly vectorField: string;
      readonly dimensions: number;
      readonly filterFields: readonly string[];
    };

/**
 * `backfilling` → `ready` when every document is indexed → `enabled` when a push flips it in (or at once for a new
 * table). A staged index stays `ready`. Every state but "absent" is kept up to date by commits.
 */
export type IndexState = "backfilling" | "ready" | "enabled";

export interface IndexRow {
  readonly id: IndexId;
  readonly tableId: TableId;
  readonly name: string;
  readonly definition: IndexDefinition;
  readonly state: IndexState;
  /** True when the schema declares it staged: built, but not to be queried. */
  readonly staged: boolean;
}

/** Changes to the catalog. Plain rows, updated in place. Commits that carry any set `Head.catalogTs`. */
export interface CatalogChange {
  readonly upsertTables?: readonly TableRow[];
  /** Gives their names and numbers up to `upsertTables`. Their indexes are in `dropIndexes`; their documents stay. */
  readonly dropTables?: readonly TableId[];
  readonly upsertIndexes?: readonly IndexRow[];
  readonly dropIndexes?: readonly IndexId[];
  /** Named values: the active app version, environment variables, … `null` removes. */
  readonly values?: readonly { readonly key: string; readonly value: JsonValue | null }[];
}

export interface CatalogRows {
  readonly head: Head;
  readonly tables: readonly TableRow[];
  readonly indexes: readonly IndexRow[];
  readonly values: ReadonlyMap<string, JsonValue>;
  /** Largest ids ever allocated, for the allocator in the Transactor. */
  readonly maxTableId: number;
  readonly maxIndexId: number;
}

/**
 * A group commit: several transactions made durable together. Either the whole batch is stored or nothing.
 * Versions that were superseded inside the group are left out: no snapshot can fall between them.
 */
export interface CommitBatch {
  /** What the head must hold, or the batch is fenced. */
  readonly expected: Pick<Head, "ts" | "writer">;
  /** Timestamp of the last transaction in the group, which becomes the head. */
  readonly ts: Timestamp;
  readonly writer: string;
  readonly documents: readonly DocumentVersion[];
  readonly entries: readonly IndexEntry[];
  readonly transactions: readonly LoggedTransaction[];
  readonly outcomes: readonly RecordedOutcome[];
  readonly catalog: CatalogChange | null;
  /** Net changes of the queue of jobs, no key twice. */
  readonly due?: readonly DueChange[];
}

/** What became of the database since a head was read. */
export interface HeadProgress {
  readonly head: Head;
  /**
   * Everything committed after that head, oldest first. `null` when it can't be told: too much, no longer kept, or the
   * database is another one's descendant (a backup was restored).
   */
  readonly transactions: readonly LoggedTransaction[] | null;
}

/** The head was not what the batch expected: nothing was stored, another writer owns the database. */
export class FencedError extends Error {
  override readonly name = "FencedError";
}

/** The batch may have been stored, or may be stored later. Only the identical batch may be sent next. */
export class UnknownOutcomeError extends Error {
  override readonly name = "UnknownOutcomeError";
}

/** The snapshot asked for is older than the retention window. */
export class OutOfRetentionError extends Error {
  override readonly name = "OutOfRetentionError";
}

/** Storage of documents, indexes, catalog and commit log. D1 in production, memory in tests; one contract suite. */
export interface Persistence {
  /**
   * Reads the head and then every read, all at one snapshot, in one round trip. `at: "latest"` = the head that is
   * returned. Throws `OutOfRetentionError` when `at` is older than `retainedFrom`.
   */
  read<const R extends readonly Read[]>(
    reads: R,
    at: Timestamp | "latest",
  ): Promise<{ readonly head: Head; readonly results: { readonly [I in keyof R]: ReadResult<R[I]> } }>;

  loadCatalog(): Promise<CatalogRows>;

  /**
   * Stores the batch atomically. Sending the identical batch twice is safe: the second is fenced.
   * Throws `FencedError` or `UnknownOutcomeError`; anything else is a bug.
   */
  commit(batch: CommitBatch): Promise<void>;

  /**
   * Commit log after `after`, oldest first, at most `limit` transactions, never beyond the durable head. Throws
   * `OutOfRetentionError` when `after` is older than `retainedFrom`: transactions in between may be gone.
   */
  log(after: Timestamp, limit: number): Promise<readonly LoggedTransaction[]>;

  /** The head and what led to it from `since`, in one round trip unless the writer changed. */
  follow(since: Head): Promise<HeadProgress>;

  /** Found for at least two days after it was recorded. */
  outcome(sessionId: string, requestId: string): Promise<RecordedOutcome | null>;

  /**
   * Inserts historical index entries during a back-fill. Present ones are kept. Idempotent. `readAt` is the snapshot
   * at which the documents were read: throws `OutOfRetentionError`, having stored nothing, when it is older than
   * `retainedFrom`, since a tombstone that should hide one of the entries may have been removed meanwhile.
   */
  backfill(entries: readonly IndexEntry[], readAt: Timestamp): Promise<void>;

  /** Removes entries of dropped indexes, at most `limit` rows. Returns how many were removed. */
  removeIndexEntries(indexId: IndexId, limit: number): Promise<number>;

  /** Removes versions of documents of a dropped table, at most `limit`. Returns how many were removed. */
  removeDocuments(tableId: TableId, limit: number): Promise<number>;

  /**
   * Moves `retainedFrom` to `before` and removes what no snapshot from there on can see, driven by the commit log,
   * at most about `limit` rows. Returns true when there is more to remove. Outcomes go some days after `before`.
   */
  prune(before: Timestamp, limit: number): Promise<boolean>;
}

/** The queue of jobs, apart from `Persistence`: whoever runs jobs needs nothing else of the database. */
export interface DueQueue {
  /** The first keys of the queue as it is now, at most `limit`. What it costs does not depend on how many there are. */
  due(limit: number): Promise<readonly IndexKey[]>;
}
