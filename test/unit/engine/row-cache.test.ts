import { expect, test } from "vitest";
import { FollowedLog } from "../../../src/engine/followed-log.ts";
import { RowCache } from "../../../src/engine/row-cache.ts";
import { MemoryPersistence } from "../../../src/persistence/memory.ts";
import type { Read } from "../../../src/engine/persistence.ts";
import { get, range } from "../../contract/persistence/suite.ts";
import { INDEXES, put, remove, TestWriter } from "../../contract/persistence/writer.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

test("ROWS1 under a random history, rows that are kept are those of the head", async () => {
  const seed = freshSeed();
  console.info(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const persistence = new MemoryPersistence();
  const writer = new TestWriter(persistence);
  const log = new FollowedLog();
  const rows = new RowCache(random.chance(0.5) ? 1_000_000 : 6_000, log);
  const field = (): string => `${random.below(8)}0`;
  const read = (): Read => {
    if (random.chance(0.4)) return get(random.below(20));
    const start = field();
    return range({
      index: random.pick([...INDEXES.slice(0, 2), "by_id" as const]),
      interval: random.chance(0.5) ? { start, end: `${start.slice(0, 1)}9` } : { start, end: null },
      order: random.pick(["asc", "desc"]),
      limit: 1 + random.below(6),
    });
  };
  await writer.commit([[put(1, ["10", "20"])]]);
  log.begin((await persistence.read([], "latest")).head);
  /** Answers of storage on their way, which commits may overtake. */
  const late: (() => void)[] = [];
  let hits = 0;
  for (let step = 0; step < 6000; step++) {
    const choice = random.next();
    if (choice < 0.2) {
      const n = random.below(20);
      await writer.commit([[random.chance(0.3) ? remove(n) : put(n, [field(), field()], step)]]);
    } else if (choice < 0.4) {
      const since = log.head;
      if (since !== null) rows.apply(log.advance(since, await persistence.follow(since)));
    } else if (choice < 0.7) {
      const reads = [read()];
      const { head, results } = await persistence.read(reads, "latest");
      late.push(() => rows.fill(reads, results, head.ts));
    } else if (choice < 0.8) {
      late.splice(random.below(late.length), 1)[0]?.();
    } else {
      const reads = [read(), ...(random.chance(0.3) ? [read()] : [])];
      const known = rows.read(reads);
      if (known === undefined || log.head === null) continue;
      hits += 1;
      const { results } = await persistence.read(reads, log.head.ts);
      for (const [i, result] of results.entries()) {
        const mine = known[i] ?? null;
        if (result === null || mine === null || !("rows" in result)) expect(mine).toEqual(result);
        else expect("rows" in mine && mine.rows).toEqual(result.rows);
      }
    }
  }
  expect(hits).toBeGreaterThan(50);
});

test("ROWS2 a write takes away its own rows and leaves the others", async () => {
  const persistence = new MemoryPersistence();
  const writer = new TestWriter(persistence);
  await writer.commit([[put(1, ["10"]), put(2, ["20"]), put(3, ["30"])]]);
  const log = new FollowedLog();
  const rows = new RowCache(1_000_000, log);
  const reads = [get(1), get(2), range({ interval: { start: "", end: null } })];
  const { head, results } = await persistence.read(reads, "latest");
  log.begin(head);
  rows.fill(reads, results, head.ts);
  expect(rows.read(reads)).toEqual(results);
  await writer.commit([[put(2, ["20"], "new")]]);
  rows.apply(log.advance(head, await persistence.follow(head)));
  expect(rows.read([get(1)])).toEqual([results[0]]);
  expect(rows.read([get(2)])).toBeUndefined();
  expect(rows.read([range()])).toBeUndefined();
  expect(rows.read([range({ interval: { start: "10", end: "20" } })])).toHaveLength(1);
  expect(rows.read([range({ interval: { start: "20", end: "30" } })])).toBeUndefined();
});
