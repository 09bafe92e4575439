import { expect, test } from "vitest";
import { IntervalIndex } from "../../../src/engine/interval-index.ts";
import type { Interval } from "../../../src/engine/interval.ts";
import type { IndexRef } from "../../../src/engine/persistence.ts";
import type { ReadSet } from "../../../src/engine/read-set.ts";
import { ReadSetIndex } from "../../../src/engine/read-set-index.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

const KEYS = Array.from({ length: 60 }, (_, i) => (i * 4).toString(16).toUpperCase().padStart(2, "0"));

function randomInterval(random: SeededRandom): Interval {
  return { start: random.pick(KEYS), end: random.chance(0.15) ? null : random.pick(KEYS) };
}

function holds({ start, end }: Interval, key: string): boolean {
  return start <= key && (end === null || key < end);
}

test("STAB1 an index of intervals finds exactly those that hold a key, through adding and removing", () => {
  const seed = freshSeed();
  console.info(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const index = new IntervalIndex<number>();
  const present = new Set<{ readonly interval: Interval; readonly owner: number }>();
  for (let step = 0; step < 4000; step++) {
    // Grows for a while, then shrinks until it is empty.
    if (random.chance(step < 2000 ? 0.7 : 0.3)) {
      const one = { interval: randomInterval(random), owner: step };
      present.add(one);
      index.add(one.interval, one.owner);
    } else if (present.size > 0) {
      const one = random.pick([...present]);
      present.delete(one);
      index.remove(one.interval, one.owner);
    }
    const key = random.pick(KEYS);
    const found: number[] = [];
    index.stab(key, (owner) => found.push(owner));
    const expected = [...present].filter(({ interval }) => holds(interval, key)).map(({ owner }) => owner);
    expect(found.toSorted((a, b) => a - b)).toEqual(expected.toSorted((a, b) => a - b));
    expect(index.empty).toBe(present.size === 0);
  }
});

test("STAB2 a key costs its hits, not the number of intervals", () => {
  const index = new IntervalIndex<number>();
  for (let i = 0; i < 20_000; i++) {
    const start = i.toString(16).padStart(8, "0");
    index.add({ start, end: `${start}00` }, i);
  }
  // Looking at every interval for every key would be 400 million steps.
  const hits: number[] = [];
  for (let i = 0; i < 20_000; i++) index.stab(i.toString(16).padStart(8, "0"), (owner) => hits.push(owner));
  expect(hits).toEqual(Array.from({ length: 20_000 }, (_, i) => i));
});

test("STAB3 read sets are found by index and key, and gone when they are removed", () => {
  const index = new ReadSetIndex<string>();
  const reads = (...parts: [IndexRef, Interval[]][]): ReadSet => new Map(parts);
  const a = reads(["t1", [{ start: "10", end: "20" }]], ["i5", [{ start: "", end: null }]]);
  const b = reads([
    "t1",
    [
      { start: "18", end: "19" },
      { start: "30", end: "40" },
    ],
  ]);
  index.add(a, "a");
  index.add(b, "b");
  const hit = (ref: IndexRef, key: string): string[] => {
    const found: string[] = [];
    index.hit(ref, key, (owner) => found.push(owner));
    return found.toSorted();
  };
  expect(hit("t1", "1800")).toEqual(["a", "b"]);
  expect(hit("t1", "35")).toEqual(["b"]);
  expect(hit("i5", "FF")).toEqual(["a"]);
  expect(hit("t2", "1800")).toEqual([]);
  index.remove(a, "a");
  expect(hit("t1", "1800")).toEqual(["b"]);
  index.remove(b, "b");
  expect(index.empty).toBe(true);
});
