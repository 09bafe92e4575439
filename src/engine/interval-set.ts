import type { Interval } from "./interval.ts";

/** A set of keys as intervals: sorted, none empty, no two touching. */
export class IntervalSet {
  #intervals: Interval[] = [];

  static of(intervals: Iterable<Interval>): IntervalSet {
    const set = new IntervalSet();
    for (const interval of intervals) set.add(interval);
    return set;
  }

  get size(): number {
    return this.#intervals.length;
  }

  add(interval: Interval): void {
    if (isEmpty(interval)) return;
    // Intervals from `from` to before `to` overlap or touch the new one and are merged into it.
    const from = this.#search((other) => reaches(other.end, interval.start));
    const to = this.#search((other) => interval.end !== null && other.start > interval.end, from);
    const first = this.#intervals[from];
    const last = this.#intervals[to - 1];
    if (from === to || first === undefined || last === undefined) {
      this.#intervals.splice(from, 0, interval);
      return;
    }
    const start = first.start < interval.start ? first.start : interval.start;
    const end = laterEnd(last.end, interval.end);
    if (to - from === 1 && start === first.start && end === first.end) return;
    this.#intervals.splice(from, to - from, { start, end });
  }

  union(other: IntervalSet): void {
    for (const interval of other.#intervals) this.add(interval);
  }

  contains(key: string): boolean {
    const candidate = this.#intervals[this.#search((interval) => interval.end === null || interval.end > key)];
    return candidate !== undefined && candidate.start <= key;
  }

  overlaps(interval: Interval): boolean {
    if (isEmpty(interval)) return false;
    const candidate = this.#intervals[this.#search((other) => other.end === null || other.end > interval.start)];
    return candidate !== undefined && (interval.end === null || candidate.start < interval.end);
  }

  /** A copy, in order. */
  intervals(): readonly Interval[] {
    return [...this.#intervals];
  }

  /** First position, from `low`, where a predicate that is false and then true turns true. */
  #search(predicate: (interval: Interval) => boolean, low = 0): number {
    let high = this.#intervals.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const interval = this.#intervals[middle];
      if (interval !== undefined && predicate(interval)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

export function isEmpty(interval: Interval): boolean {
  return interval.end !== null && interval.end <= interval.start;
}

function reaches(end: string | null, start: string): boolean {
  return end === null || end >= start;
}

function laterEnd(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return null;
  return a > b ? a : b;
}
