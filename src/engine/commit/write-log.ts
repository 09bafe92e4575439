import type { Interval } from "../interval.ts";
import type { IndexKey } from "../names.ts";
import type { IndexRef, StoredDocument } from "../persistence.ts";
import type { ReadSet } from "../read-set.ts";
import type { Timestamp } from "../timestamp.ts";

/** State of one index key after a transaction: the document found there, `null` when nothing is. */
export interface KeyChange {
  readonly key: IndexKey;
  readonly document: StoredDocument | null;
}

/** One decided transaction. */
export interface LogEntry {
  readonly ts: Timestamp;
  /** Sorted by key, no key twice. */
  readonly changes: ReadonlyMap<IndexRef, readonly KeyChange[]>;
  /** Function that wrote it, `null` for the system. */
  readonly source: string | null;
  readonly bytes: number;
}

export interface LogConflict {
  readonly ref: IndexRef;
  readonly key: IndexKey;
  readonly entry: LogEntry;
}

/**
 * Recent decided transactions in timestamp order: what running transactions are validated against and what is laid
 * over storage reads that are older. Holds every transaction after `floor`; what is older was evicted, and who
 * depends on it must start again.
 */
export class WriteLog {
  #entries: LogEntry[] = [];
  /** Entries before this position are evicted, not yet removed from the array. */
  #first = 0;
  #floor: Timestamp;
  #bytes = 0;
  readonly #lastWrite = new Map<IndexRef, Timestamp>();

  constructor(floor: Timestamp) {
    this.#floor = floor;
  }

  get floor(): Timestamp {
    return this.#floor;
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(entry: LogEntry): void {
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    for (const ref of entry.changes.keys()) this.#lastWrite.set(ref, entry.ts);
  }

  /** Entries after `ts`, oldest first. Complete only if `ts >= floor`. */
  *since(ts: Timestamp): Generator<LogEntry> {
    for (let i = this.#after(ts); i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry !== undefined) yield entry;
    }
  }

  /** A write to `ref` inside `interval` after `ts`, the newest transaction first. */
  conflictIn(ts: Timestamp, ref: IndexRef, interval: Interval): LogConflict | null {
    if ((this.#lastWrite.get(ref) ?? 0) <= ts) return null;
    for (let i = this.#entries.length - 1; i >= this.#first; i--) {
      const entry = this.#entries[i];
      if (entry === undefined || entry.ts <= ts) return null;
      const changes = entry.changes.get(ref);
      const key = changes === undefined ? null : firstInside(changes, interval);
      if (key !== null) return { ref, key, entry };
    }
    return null;
  }

  /** A write after `ts` to anything in `reads`. */
  conflict(ts: Timestamp, reads: ReadSet): LogConflict | null {
    for (const [ref, intervals] of reads) {
      if ((this.#lastWrite.get(ref) ?? 0) <= ts) continue;
      for (let i = this.#entries.length - 1; i >= this.#first; i--) {
        const entry = this.#entries[i];
        if (entry === undefined || entry.ts <= ts) break;
        const changes = entry.changes.get(ref);
        if (changes === undefined) continue;
        for (const interval of intervals) {
          const key = firstInside(changes, interval);
          if (key !== null) return { ref, key, entry };
        }
      }
    }
    return null;
  }

  /** Evicts the oldest entries until at most `bytes` remain, none newer than `durable`. */
  evict(bytes: number, durable: Timestamp): void {
    while (this.#bytes > bytes) {
      const oldest = this.#entries[this.#first];
      if (oldest === undefined || oldest.ts > durable) break;
      this.#first += 1;
      this.#bytes -= oldest.bytes;
      this.#floor = oldest.ts;
    }
    if (this.#first > 1024 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Position of the first entry after `ts`. */
  #after(ts: Timestamp): number {
    let low = this.#first;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.ts ?? 0) <= ts) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function firstInside(changes: readonly KeyChange[], interval: Interval): IndexKey | null {
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const change = changes[middle];
    if (change !== undefined && change.key < interval.start) low = middle + 1;
    else high = middle;
  }
  const found = changes[low];
  return found !== undefined && (interval.end === null || found.key < interval.end) ? found.key : null;
}
