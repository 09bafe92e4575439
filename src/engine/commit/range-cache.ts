import type { Interval } from "../interval.ts";
import { pointInterval } from "./coverage.ts";
import type { IndexKey } from "../names.ts";
import type { IndexRef, RangePage, RangeRow, StoredDocument } from "../persistence.ts";

/** Objects and array slots of a row, and of a segment, in bytes, roughly. */
const ROW_OVERHEAD = 100;
const SEGMENT_OVERHEAD = 300;

/** A longer segment is split, so that its unused half can be evicted. */
const MAX_ROWS = 2_048;

/** An interval of an index of which every row is known. */
interface Segment {
  start: string;
  end: string | null;
  /** Sorted by key. */
  rows: RangeRow[];
  bytes: number;
  /** Sweep before which it was used last. */
  used: number;
}

/**
 * Newest decided state of recently read index ranges. An index is a sorted list of disjoint segments; a read is
 * answered when the segments it crosses touch each other. Coherent because every decided commit is applied to it
 * before anything else runs. Full, it is swept: first goes what was not used since the last sweep.
 */
export class RangeCache {
  readonly #maxBytes: number;
  readonly #indexes = new Map<IndexRef, Segment[]>();
  #bytes = 0;
  #sweeps = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `undefined`: not known here. */
  read(ref: IndexRef, interval: Interval, order: "asc" | "desc", limit: number): RangePage | undefined {
    if (isEmpty(interval)) return { rows: [], more: false };
    const segments = this.#indexes.get(ref);
    if (segments === undefined) return undefined;
    return order === "asc" ? this.#ascending(segments, interval, limit) : this.#descending(segments, interval, limit);
  }

  /** Records that `rows` are all there is in `interval`, at the newest decided state. */
  fill(ref: IndexRef, interval: Interval, rows: readonly RangeRow[]): void {
    if (isEmpty(interval)) return;
    let segments = this.#indexes.get(ref);
    if (segments === undefined) {
      segments = [];
      this.#indexes.set(ref, segments);
    }
    for (const gap of gaps(segments, interval)) {
      const inside = rows.slice(
        lowerBound(rows, gap.start),
        gap.end === null ? rows.length : lowerBound(rows, gap.end),
      );
      this.#insert(segments, {
        start: gap.start,
        end: gap.end,
        rows: inside,
        bytes: segmentBytes(inside),
        used: this.#sweeps,
      });
    }
    this.#evict();
  }

  /** A key's new state. Ignored where nothing is cached. */
  apply(ref: IndexRef, key: IndexKey, document: StoredDocument | null): void {
    const segments = this.#indexes.get(ref);
    if (segments === undefined) return;
    const segment = segments[segmentAt(segments, key)];
    if (segment === undefined || !covers(segment, key)) return;
    const at = lowerBound(segment.rows, key);
    const present = segment.rows[at]?.key === key ? segment.rows[at] : undefined;
    const before = segment.bytes;
    if (present !== undefined) segment.bytes -= rowBytes(present);
    if (document !== null) {
      const row = { key, document };
      segment.bytes += rowBytes(row);
      segment.rows.splice(at, present === undefined ? 0 : 1, row);
    } else if (present !== undefined) {
      segment.rows.splice(at, 1);
    }
    this.#bytes += segment.bytes - before;
    if (segment.rows.length > MAX_ROWS) this.#split(segments, segment);
    this.#evict();
  }

  /** The key was written, and nobody told how it is now: what lies around it stays known. */
  forget(ref: IndexRef, key: IndexKey): void {
    const segments = this.#indexes.get(ref);
    if (segments === undefined) return;
    const at = segmentAt(segments, key);
    const segment = segments[at];
    if (segment === undefined || !covers(segment, key)) return;
    const point = pointInterval(key);
    const rows = segment.rows;
    const from = lowerBound(rows, key);
    const sides = [
      { start: segment.start, end: point.start, rows: rows.slice(0, from) },
      { start: point.end ?? key, end: segment.end, rows: rows.slice(rows[from]?.key === key ? from + 1 : from) },
    ]
      .filter((side) => !isEmpty(side))
      .map((side) => ({ ...side, bytes: segmentBytes(side.rows), used: segment.used }));
    segments.splice(at, 1, ...sides);
    this.#bytes += sides.reduce((sum, side) => sum + side.bytes, 0) - segment.bytes;
    if (segments.length === 0) this.#indexes.delete(ref);
    this.#evict();
  }

  #ascending(segments: readonly Segment[], interval: Interval, limit: number): RangePage | undefined {
    const rows: RangeRow[] = [];
    let at = segmentAt(segments, interval.start);
    let position = interval.start;
    for (;;) {
      const segment = segments[at];
      if (segment === undefined || !covers(segment, position)) return undefined;
      segment.used = this.#sweeps;
      for (let i = lowerBound(segment.rows, position); i < segment.rows.length; i++) {
        const row = segment.rows[i];
        if (row === undefined || (interval.end !== null && row.key >= interval.end)) return { rows, more: false };
        if (rows.length === limit) return { rows, more: true };
        rows.push(row);
      }
      if (segment.end === null || (interval.end !== null && interval.end <= segment.end)) return { rows, more: false };
      if (rows.length === limit) return { rows, more: true };
      position = segment.end;
      at += 1;
    }
  }

  #descending(segments: readonly Segment[], interval: Interval, limit: number): RangePage | undefined {
    const rows: RangeRow[] = [];
    let at = interval.end === null ? segments.length - 1 : segmentAt(segments, interval.end);
    // An end is exclusive: a segment that starts there does not matter.
    if (interval.end !== null && segments[at]?.start === interval.end) at -= 1;
    let position = interval.end;
    for (;;) {
      const segment = segments[at];
      if (segment === undefined || !reaches(segment, position)) return undefined;
      segment.used = this.#sweeps;
      const last = position === null ? segment.rows.length : lowerBound(segment.rows, position);
      for (let i = last - 1; i >= 0; i--) {
        const row = segment.rows[i];
        if (row === undefined || row.key < interval.start) return { rows, more: false };
        if (rows.length === limit) return { rows, more: true };
        rows.push(row);
      }
      if (segment.start <= interval.start) return { rows, more: false };
      if (rows.length === limit) return { rows, more: true };
      position = segment.start;
      at -= 1;
    }
  }

  /** Adds a segment that overlaps none, joined with a small neighbour where they touch. */
  #insert(segments: Segment[], segment: Segment): void {
    const at = segmentAt(segments, segment.start) + 1;
    const left = segments[at - 1];
    const right = segments[at];
    if (left !== undefined && left.end === segment.start && joinable(left, segment)) {
      left.end = segment.end;
      left.rows = left.rows.concat(segment.rows);
      left.bytes += segment.bytes;
      this.#bytes += segment.bytes;
      left.used = this.#sweeps;
      return;
    }
    if (right !== undefined && right.start === segment.end && joinable(right, segment)) {
      right.start = segment.start;
      right.rows = segment.rows.concat(right.rows);
      right.bytes += segment.bytes;
      this.#bytes += segment.bytes;
      right.used = this.#sweeps;
      return;
    }
    segments.splice(at, 0, segment);
    this.#bytes += segment.bytes;
    if (segment.rows.length > MAX_ROWS) this.#split(segments, segment);
  }

  #split(segments: Segment[], segment: Segment): void {
    const middle = segment.rows[segment.rows.length >>> 1]?.key;
    if (middle === undefined) return;
    const upper = segment.rows.splice(segment.rows.length >>> 1);
    const right: Segment = {
      start: middle,
      end: segment.end,
      rows: upper,
      bytes: segmentBytes(upper),
      used: segment.used,
    };
    this.#bytes -= segment.bytes;
    segment.end = middle;
    segment.bytes = segmentBytes(segment.rows);
    this.#bytes += segment.bytes + right.bytes;
    segments.splice(segmentAt(segments, segment.start) + 1, 0, right);
    if (right.rows.length > MAX_ROWS) this.#split(segments, right);
    if (segment.rows.length > MAX_ROWS) this.#split(segments, segment);
  }

  /** Frees at least half, so that the cost of looking at every segment is paid by many fills. */
  #evict(): void {
    if (this.#bytes <= this.#maxBytes) return;
    this.#sweep((segment) => segment.used < this.#sweeps);
    this.#sweep(() => this.#bytes > this.#maxBytes / 2);
    this.#sweeps += 1;
  }

  #sweep(goes: (segment: Segment) => boolean): void {
    for (const [ref, segments] of this.#indexes) {
      const kept = segments.filter((segment) => {
        if (!goes(segment)) return true;
        this.#bytes -= segment.bytes;
        return false;
      });
      if (kept.length === 0) this.#indexes.delete(ref);
      else if (kept.length < segments.length) this.#indexes.set(ref, kept);
    }
  }
}

function isEmpty(interval: Interval): boolean {
  return interval.end !== null && interval.start >= interval.end;
}

function covers(segment: Segment, position: string): boolean {
  return segment.start <= position && (segment.end === null || position < segment.end);
}

/** Whether the segment holds what lies directly below `position`. */
function reaches(segment: Segment, position: string | null): boolean {
  if (position === null) return segment.end === null;
  return segment.start < position && (segment.end === null || position <= segment.end);
}

/** Index of the last segment that starts at or before `position`, -1 when none does. */
function segmentAt(segments: readonly Segment[], position: string): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const segment = segments[middle];
    if (segment !== undefined && segment.start <= position) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Index of the first row at or after `key`. */
function lowerBound(rows: readonly RangeRow[], key: string): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = rows[middle];
    if (row !== undefined && row.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Parts of `interval` that no segment covers, in order. */
function gaps(segments: readonly Segment[], interval: Interval): Interval[] {
  const found: Interval[] = [];
  let position = interval.start;
  for (let at = Math.max(0, segmentAt(segments, position)); at < segments.length; at++) {
    const segment = segments[at];
    if (segment === undefined || (interval.end !== null && segment.start >= interval.end)) break;
    if (segment.end !== null && segment.end <= position) continue;
    if (segment.start > position) found.push({ start: position, end: segment.start });
    if (segment.end === null) return found;
    position = segment.end;
  }
  if (interval.end === null || position < interval.end) found.push({ start: position, end: interval.end });
  return found;
}

function joinable(a: Segment, b: Segment): boolean {
  return a.rows.length + b.rows.length <= MAX_ROWS / 2;
}

function rowBytes(row: RangeRow): number {
  return ROW_OVERHEAD + row.key.length + row.document.json.length;
}

function segmentBytes(rows: readonly RangeRow[]): number {
  let bytes = SEGMENT_OVERHEAD;
  for (const row of rows) bytes += rowBytes(row);
  return bytes;
}
