import fc from "fast-check";
import { expect, test } from "vitest";
import { IntervalSet, isEmpty } from "../../../src/engine/interval-set.ts";
import type { Interval } from "../../../src/engine/interval.ts";

/** Keys are the two-digit numbers below 20, so that a set can be compared with a plain list. */
const POINTS = Array.from({ length: 20 }, (_, i) => String(i).padStart(2, "0"));

const interval: fc.Arbitrary<Interval> = fc.record({
  start: fc.constantFrom(...POINTS),
  end: fc.option(fc.constantFrom(...POINTS), { freq: 8 }),
});

function holds({ start, end }: Interval, point: string): boolean {
  return point >= start && (end === null || point < end);
}

test("INT1 a set contains the points of its intervals, sorted and merged", () => {
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 12 }), (intervals) => {
      const set = IntervalSet.of(intervals);
      for (const point of POINTS) expect(set.contains(point)).toBe(intervals.some((one) => holds(one, point)));
      const kept = set.intervals();
      expect(kept.some(isEmpty)).toBe(false);
      for (const [i, { start }] of kept.entries()) {
        const previous = kept[i - 1];
        if (previous !== undefined) expect(previous.end !== null && previous.end < start).toBe(true);
      }
    }),
    { numRuns: 1000 },
  );
});

test("INT2 overlaps is true exactly when a point is shared", () => {
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 6 }), interval, (intervals, other) => {
      const shared = POINTS.some((point) => holds(other, point) && intervals.some((one) => holds(one, point)));
      // Intervals that share nothing but lie above the last point can still overlap there.
      const beyond = other.end === null && !isEmpty(other) && intervals.some((one) => one.end === null);
      expect(IntervalSet.of(intervals).overlaps(other)).toBe(shared || beyond);
    }),
    { numRuns: 1000 },
  );
});

test("INT3 a union holds the points of both", () => {
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 6 }), fc.array(interval, { maxLength: 6 }), (a, b) => {
      const set = IntervalSet.of(a);
      set.union(IntervalSet.of(b));
      expect(set.intervals()).toEqual(IntervalSet.of([...a, ...b]).intervals());
    }),
  );
});

test("INT4 keys added in any order next to each other become one interval", () => {
  const set = new IntervalSet();
  for (const start of ["05", "01", "03", "02", "04"]) {
    set.add({ start, end: String(Number(start) + 1).padStart(2, "0") });
  }
  expect(set.intervals()).toEqual([{ start: "01", end: "06" }]);
});
