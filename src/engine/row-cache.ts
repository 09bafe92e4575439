import { indexRef, pointInterval, readInterval } from "./commit/coverage.ts";
import { DocumentCache } from "./commit/document-cache.ts";
import { RangeCache } from "./commit/range-cache.ts";
import type { FollowedLog } from "./followed-log.ts";
import type { InternalId, TableId } from "./names.ts";
import type { LoggedTransaction, RangePage, Read, StoredDocument } from "./persistence.ts";
import type { Timestamp } from "./timestamp.ts";

type Result = StoredDocument | RangePage | null;

/**
 * Rows as of the head of a followed log: documents and index ranges that were read before and not written since. What
 * a commit writes is forgotten, not updated: the log has keys only. Pure.
 */
export class RowCache {
  readonly #maxBytes: number;
  readonly #log: FollowedLog;
  #documents: DocumentCache;
  #ranges: RangeCache;

  constructor(maxBytes: number, log: FollowedLog) {
    this.#maxBytes = maxBytes;
    this.#log = log;
    this.#documents = new DocumentCache(maxBytes / 2);
    this.#ranges = new RangeCache(maxBytes / 2);
  }

  /** All of them as of the log's head; `undefined`: something is not known here. */
  read(reads: readonly Read[]): Result[] | undefined {
    const results: Result[] = [];
    for (const read of reads) {
      const known =
        read.kind === "get"
          ? this.#documents.get(read.tableId, read.id)
          : this.#ranges.read(indexRef(read), read.interval, read.order, read.limit);
      if (known === undefined) return undefined;
      results.push(known);
    }
    return results;
  }

  /** Results of storage at the snapshot `ts`. Ignored where something was written since, or where `ts` is ahead. */
  fill(reads: readonly Read[], results: readonly Result[], ts: Timestamp): void {
    const { head } = this.#log;
    if (head === null || ts > head.ts) return;
    for (const [i, read] of reads.entries()) {
      const result = results[i] ?? null;
      const page = result !== null && "rows" in result ? result : null;
      const ref = indexRef(read);
      const { start, end } = read.kind === "get" ? pointInterval(read.id) : readInterval(read, page ?? NOTHING);
      const stale = this.#log.writtenSince(
        ts,
        (other, key) => other === ref && key >= start && (end === null || key < end),
      );
      if (stale) continue;
      if (read.kind === "get") {
        if (page === null) this.#documents.set(read.tableId, read.id, result as StoredDocument | null);
      } else if (page !== null) {
        this.#ranges.fill(ref, { start, end }, read.order === "asc" ? page.rows : page.rows.toReversed());
      }
    }
  }

  /** What `FollowedLog.advance` returned. */
  apply(news: readonly LoggedTransaction[] | null): void {
    if (news === null) {
      this.#documents = new DocumentCache(this.#maxBytes / 2);
      this.#ranges = new RangeCache(this.#maxBytes / 2);
      return;
    }
    for (const { keys } of news) {
      for (const [ref, key] of keys) {
        // In the index of ids, the key is the id.
        if (ref.startsWith("t")) this.#documents.forget(Number(ref.slice(1)) as TableId, key as string as InternalId);
        this.#ranges.forget(ref, key);
      }
    }
  }
}

const NOTHING: RangePage = { rows: [], more: false };
