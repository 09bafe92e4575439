import type { Catalog } from "../catalog.ts";
import type { IndexKey, InternalId, TableId } from "../names.ts";
import {
  DEFAULT_PAGE_BYTES,
  FencedError,
  type Head,
  isCutShort,
  type Persistence,
  type RangePage,
  type RangeRead,
  type Read,
  type StoredDocument,
} from "../persistence.ts";
import { ConflictError } from "../snapshot-reader.ts";
import type { Timestamp } from "../timestamp.ts";
import type { CatalogState } from "./catalog-changes.ts";
import { indexRef, readInterval } from "./coverage.ts";
import { DocumentCache } from "./document-cache.ts";
import { overlay } from "./overlay.ts";
import { RangeCache } from "./range-cache.ts";
import { type LogEntry, WriteLog } from "./write-log.ts";

/** Shares of the memory bound. */
const LOG_SHARE = 1 / 4;
const DOCUMENT_SHARE = 3 / 8;
const RANGE_SHARE = 3 / 8;

/** Storage reads of one call before it gives up because of memory pressure. */
const MAX_FETCHES = 4;

/** A decided transaction as the state sees it. */
export interface Decided {
  readonly entry: LogEntry;
  readonly documents: readonly {
    readonly tableId: TableId;
    readonly id: InternalId;
    readonly after: StoredDocument | null;
  }[];
}

/**
 * The newest decided state, durable or not: caches over storage, kept coherent by applying every decided
 * transaction, and the log of recent ones.
 *
 *     storage ──── durable ──── decided, not durable ────●  what `read` answers
 *                     └── log overlays what storage does not have yet
 */
export class LatestState {
  readonly #persistence: Persistence;
  readonly #memoryBytes: number;
  readonly #writer: string;
  readonly #loaded: Head;
  readonly #documents: DocumentCache;
  readonly #ranges: RangeCache;
  readonly log: WriteLog;
  #catalog: CatalogState;
  #catalogBarrier: Timestamp;
  #decidedTs: Timestamp;
  #durableTs: Timestamp;

  /** `writer`: who stores what is decided here. `head`: what `catalog` was loaded at. */
  constructor(persistence: Persistence, memoryBytes: number, writer: string, head: Head, catalog: CatalogState) {
    this.#persistence = persistence;
    this.#memoryBytes = memoryBytes;
    this.#writer = writer;
    this.#loaded = head;
    this.#documents = new DocumentCache(memoryBytes * DOCUMENT_SHARE);
    this.#ranges = new RangeCache(memoryBytes * RANGE_SHARE);
    this.log = new WriteLog(head.ts);
    this.#catalog = catalog;
    this.#catalogBarrier = head.ts;
    this.#decidedTs = head.ts;
    this.#durableTs = head.ts;
  }

  get catalog(): Catalog {
    return this.#catalog.catalog;
  }

  get catalogState(): CatalogState {
    return this.#catalog;
  }

  /** Transactions that began before it ran under other code or other indexes. */
  get catalogBarrier(): Timestamp {
    return this.#catalogBarrier;
  }

  get decidedTs(): Timestamp {
    return this.#decidedTs;
  }

  get durableTs(): Timestamp {
    return this.#durableTs;
  }

  get bytes(): number {
    return this.log.bytes + this.#documents.bytes + this.#ranges.bytes;
  }

  /** Makes a transaction part of the newest state. In timestamp order. */
  apply({ entry, documents }: Decided): void {
    this.#decidedTs = entry.ts;
    this.log.append(entry);
    for (const { tableId, id, after } of documents) this.#documents.set(tableId, id, after);
    for (const [ref, changes] of entry.changes) {
      for (const { key, document } of changes) this.#ranges.apply(ref, key, document);
    }
    this.log.evict(this.#memoryBytes * LOG_SHARE, this.#durableTs);
  }

  /** `barrier`: running transactions must start again. Not so when only tables were added. */
  setCatalog(catalog: CatalogState, barrier: boolean): void {
    this.#catalog = catalog;
    if (barrier) this.#catalogBarrier = catalog.catalog.ts;
  }

  /** Everything up to `ts` is stored. */
  setDurable(ts: Timestamp): void {
    this.#durableTs = ts;
    this.log.evict(this.#memoryBytes * LOG_SHARE, ts);
  }

  /** Answers from memory; `undefined` when storage must be asked. */
  cached(read: Read): StoredDocument | RangePage | null | undefined {
    return read.kind === "get"
      ? this.#documents.get(read.tableId, read.id)
      : this.#ranges.read(indexRef(read), read.interval, read.order, read.limit);
  }

  /**
   * Answers from storage, and fills the caches. The results are the newest decided state at the moment the promise
   * resolves; a range page is full unless it ends its interval or reached its bytes.
   */
  async fetch(reads: readonly Read[]): Promise<(StoredDocument | RangePage | null)[]> {
    let slack = 0;
    for (let attempt = 0; attempt < MAX_FETCHES; attempt++) {
      const enlarged = reads.map((read) =>
        read.kind === "get"
          ? read
          : {
              ...read,
              limit: read.limit + slack + this.#pendingRemovals(read),
              maxBytes: (read.maxBytes ?? DEFAULT_PAGE_BYTES) * 4 ** attempt,
            },
      );
      const { head, results } = await this.#persistence.read(enlarged, "latest");
      this.#checkHead(head);
      // Evicted meanwhile: what storage showed can't be brought up to date any more.
      if (this.log.floor > head.ts) continue;
      const answers = reads.map((read, i) => this.#absorb(read, enlarged[i] ?? read, results[i] ?? null, head.ts));
      if (answers.every((answer) => answer !== undefined)) return answers;
      slack = 2 * slack + 64;
    }
    throw new ConflictError("");
  }

  /** Keys that storage may still show although they are gone. */
  #pendingRemovals(read: RangeRead): number {
    const ref = indexRef(read);
    let removals = 0;
    for (const entry of this.log.since(this.#durableTs)) {
      for (const change of entry.changes.get(ref) ?? []) if (change.document === null) removals += 1;
    }
    return removals;
  }

  /** `undefined`: too many rows of the page are gone, a longer one is needed. */
  #absorb(
    read: Read,
    enlarged: Read,
    result: StoredDocument | RangePage | null,
    at: Timestamp,
  ): StoredDocument | RangePage | null | undefined {
    const ref = indexRef(read);
    if (read.kind === "get") {
      const known = this.#documents.get(read.tableId, read.id);
      if (known !== undefined) return known;
      let document = isPage(result) ? null : result;
      const key: string = read.id;
      for (const entry of this.log.since(at)) {
        for (const change of entry.changes.get(ref) ?? []) if (change.key === key) document = change.document;
      }
      this.#documents.set(read.tableId, read.id, document);
      return document;
    }
    if (!isPage(result)) throw new Error("A range read was answered with a document");
    const changes = new Map<IndexKey, StoredDocument | null>();
    for (const entry of this.log.since(at)) {
      for (const change of entry.changes.get(ref) ?? []) changes.set(change.key, change.document);
    }
    const cut = enlarged.kind === "range" && isCutShort(enlarged, result.rows);
    const page = overlay(read, result, cut, changes);
    if (page === undefined) return undefined;
    this.#ranges.fill(ref, readInterval(read, page), read.order === "asc" ? page.rows : page.rows.toReversed());
    // The last 32 digits of every key are the document's id.
    for (const row of page.rows) {
      this.#documents.set(read.tableId, row.key.slice(-32) as InternalId, row.document);
    }
    return page;
  }

  /** A head that neither this writer wrote nor was loaded means that another writer owns the database. */
  #checkHead(head: Head): void {
    if (head.writer === this.#writer) return;
    if (head.writer === this.#loaded.writer && head.ts === this.#loaded.ts) return;
    throw new FencedError(`The head belongs to writer ${head.writer}`);
  }
}

function isPage(result: StoredDocument | RangePage | null): result is RangePage {
  return result !== null && "rows" in result;
}
