import { expect, test } from "vitest";
import { IntervalIndex } from "../../../src/sync/interval-index.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

const SEED = freshSeed();
console.info(`seed ${SEED}`);

test("SYNC10 finds the owners that a scan of all intervals finds, while intervals come and go", () => {
  const random = new SeededRandom(SEED);
  const index = new IntervalIndex<number>();
  const all: { start: string; end: string | null; owner: number }[] = [];
  const key = () => random.below(200).toString(16).padStart(2, "0");
  for (let i = 0; i < 3000; i++) {
    if (all.length === 0 || random.chance(0.6)) {
      const [a, b] = [key(), key()].toSorted();
      const one = { start: a ?? "", end: random.chance(0.1) ? null : `${b}~`, owner: random.below(50) };
      if (!all.some(({ start, end, owner }) => start === one.start && end === one.end && owner === one.owner)) {
        all.push(one);
        index.add(one, one.owner);
      }
    } else {
      const [gone] = all.splice(random.below(all.length), 1);
      if (gone !== undefined) index.remove(gone, gone.owner);
    }
    if (i % 10 !== 0) continue;
    const probe = key();
    const found = new Set<number>();
    index.stab(probe, (owner) => found.add(owner));
    const expected = new Set(
      all.filter(({ start, end }) => start <= probe && (end === null || end > probe)).map(({ owner }) => owner),
    );
    expect(found).toEqual(expected);
  }
  for (const one of all) index.remove(one, one.owner);
  expect(index.empty).toBe(true);
});

test("SYNC11 a look-up among 100,000 intervals touches few of them", () => {
  const index = new IntervalIndex<number>();
  for (let i = 0; i < 100_000; i++) {
    const start = i.toString(16).padStart(6, "0");
    index.add({ start, end: `${start}00` }, i);
  }
  let compared = 0;
  const probe = {
    toString: () => {
      compared += 1;
      return "00C350";
    },
  } as unknown as string;
  index.stab(probe, () => {});
  expect(compared).toBeLessThan(400);
});
