import type { BatchedReader } from "../batched-reader.ts";
import { afterKey, idOfKey } from "../index-key.ts";
import type { Interval } from "../interval.ts";
import type { IndexKey } from "../names.ts";
import type { RangeRow, StoredDocument } from "../persistence.ts";
import type { IndexOverlay, PendingRow, PendingWrites } from "../pending-writes.ts";
import type { ReadSetRecorder } from "../read-set.ts";
import type { WrittenDocument } from "../write-set.ts";
import type { RangeSource } from "./source.ts";

export interface ScannedRow {
  readonly key: IndexKey;
  readonly document: StoredDocument | WrittenDocument;
}

/** Hands out the rows of a query one by one. */
export interface Scan {
  /** Key of the row handed out last, `null` at the beginning. */
  readonly position: IndexKey | null;
  /** The next row, `null` when there is none, or "fetch" when storage has to be asked first. */
  step(): ScannedRow | "fetch" | null;
  /** Gets at most `limit` stored rows more. */
  fetch(limit: number): Promise<void>;
  /** Goes back to an earlier position that has not been dropped. */
  seek(position: IndexKey | null): void;
  /** Forgets rows up to the position: nobody will seek before it. */
  drop(): void;
  /** Adds what has been observed. */
  addTo(reads: ReadSetRecorder): void;
}

/**
 * Walks a range in order: pages of the snapshot merged with what the transaction has written by then. Stored rows
 * are fetched ahead; pending ones are looked up at every step, so a write between two steps is seen.
 *
 *   stored    … 3   5   7 │ not fetched yet (`#more`)
 *   pending        4        6 deleted
 *   position     ↑ last row handed out; everything up to it is in the read set
 */
export class RangeScan implements Scan {
  readonly #reader: BatchedReader;
  readonly #pending: PendingWrites;
  readonly #source: RangeSource;
  readonly #descending: boolean;
  #stored: readonly RangeRow[] = [];
  /** First of `#stored` that may lie beyond the position. */
  #next = 0;
  /** Key of the last stored row that was dropped. */
  #fetchedTo: IndexKey | null = null;
  #more: boolean;
  #position: IndexKey | null = null;
  #exhausted = false;

  constructor(reader: BatchedReader, pending: PendingWrites, source: RangeSource) {
    this.#reader = reader;
    this.#pending = pending;
    this.#source = source;
    this.#descending = source.order === "desc";
    this.#more = source.storage !== null;
  }

  get position(): IndexKey | null {
    return this.#position;
  }

  addTo(reads: ReadSetRecorder): void {
    const { storage } = this.#source;
    if (storage !== null) reads.addRange(storage.ref, this.#covered);
  }

  /** Keys whose presence or absence has been observed. */
  get #covered(): Interval {
    const { interval } = this.#source;
    if (this.#exhausted) return interval;
    if (this.#position === null) return { start: interval.start, end: interval.start };
    return this.#descending
      ? { start: this.#position, end: interval.end }
      : { start: interval.start, end: afterKey(this.#position) };
  }

  step(): ScannedRow | "fetch" | null {
    const stored = this.#nextStored();
    if (stored === "fetch") return "fetch";
    const row = this.#earlier(stored, this.#nextPending());
    if (row === null) {
      this.#exhausted = true;
      return null;
    }
    this.#position = row.key;
    return row;
  }

  async fetch(limit: number): Promise<void> {
    const { table, storage, interval, order } = this.#source;
    if (storage === null) return;
    const last = this.#stored.at(-1)?.key ?? this.#fetchedTo;
    const rest =
      last === null
        ? interval
        : this.#descending
          ? { start: interval.start, end: last }
          : { start: afterKey(last), end: interval.end };
    const page = await this.#reader.range({
      kind: "range",
      tableId: table.id,
      index: storage.index,
      interval: rest,
      order,
      limit,
    });
    this.#stored = [...this.#stored, ...page.rows];
    this.#more = page.more && page.rows.length > 0;
  }

  seek(position: IndexKey | null): void {
    this.#position = position;
    this.#exhausted = false;
    for (let row = this.#stored[this.#next - 1]; row !== undefined; row = this.#stored[this.#next - 1]) {
      if (position !== null && !this.#isBeyond(row.key, position)) break;
      this.#next--;
    }
  }

  drop(): void {
    this.#fetchedTo = this.#stored.at(-1)?.key ?? this.#fetchedTo;
    this.#stored = this.#stored.slice(this.#next);
    this.#next = 0;
  }

  #nextStored(): RangeRow | "fetch" | null {
    for (let row = this.#stored[this.#next]; row !== undefined; row = this.#stored[this.#next]) {
      if (this.#position === null || this.#isBeyond(row.key, this.#position)) break;
      this.#next++;
    }
    // Overwritten rows are skipped, not passed: a roll-back may bring them back.
    for (let i = this.#next; ; i++) {
      const row = this.#stored[i];
      if (row === undefined) return this.#more ? "fetch" : null;
      if (!this.#isOverwritten(row)) return row;
    }
  }

  #isOverwritten(row: RangeRow): boolean {
    const tableId = this.#source.table.id;
    return !this.#pending.isEmpty(tableId) && this.#pending.get(tableId, idOfKey(row.key)) !== undefined;
  }

  #nextPending(): ScannedRow | null {
    const overlay = this.#pending.overlay(this.#source.table.id, this.#source.target);
    const pair = overlay === null ? undefined : this.#pendingPair(overlay);
    if (pair === undefined) return null;
    const [key, row] = pair;
    const { start, end } = this.#source.interval;
    const inside = this.#descending ? key >= start : end === null || key < end;
    return inside ? row : null;
  }

  #pendingPair(overlay: IndexOverlay): [string, PendingRow] | undefined {
    const { start, end } = this.#source.interval;
    if (this.#descending) {
      // `undefined` asks for the last pair.
      return overlay.nextLowerPair(this.#position ?? end ?? undefined);
    }
    return this.#position === null ? overlay.getPairOrNextHigher(start) : overlay.nextHigherPair(this.#position);
  }

  #earlier(a: ScannedRow | null, b: ScannedRow | null): ScannedRow | null {
    if (a === null || b === null) return a ?? b;
    return this.#isBeyond(b.key, a.key) ? a : b;
  }

  #isBeyond(key: IndexKey, other: IndexKey): boolean {
    return this.#descending ? key < other : key > other;
  }
}
