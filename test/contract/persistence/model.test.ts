import { afterAll, beforeAll, expect, test } from "vitest";
import type { Read } from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { D1Persistence } from "../../../src/persistence/d1/d1-persistence.ts";
import { MemoryPersistence } from "../../../src/persistence/memory.ts";
import { testDatabases, type TestDatabases } from "../../support/d1.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";
import { get, range } from "./suite.ts";
import { INDEXES, internalId, TestWriter, type Change } from "./writer.ts";

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases(2);
});

afterAll(async () => {
  await databases.dispose();
});

const DOCUMENTS = 12;
const STEPS = 400;

/** Few values, so that keys collide, and the bytes that are easily got wrong. */
const FIELDS = ["", "00", "0000", "00FF", "10", "1000", "10FF", "FF", "FF00", "FFFF"];

function change(random: SeededRandom): Change {
  const id = internalId(random.below(DOCUMENTS));
  if (random.chance(0.25)) return { id, fields: null };
  const fields = Array.from({ length: 1 + random.below(2) }, () => random.pick(FIELDS));
  return { id, fields, body: random.chance(0.1) ? '\u0000\ud83d"\\ '.repeat(random.below(1_000)) : random.below(100) };
}

function read(random: SeededRandom): Read {
  if (random.chance(0.3)) return get(random.below(DOCUMENTS));
  const bound = (): string => `${random.pick(FIELDS)}${random.chance(0.3) ? internalId(random.below(DOCUMENTS)) : ""}`;
  return range({
    index: random.chance(0.2) ? "by_id" : random.pick(INDEXES.slice(0, 2)),
    interval: { start: random.chance(0.5) ? "" : bound(), end: random.chance(0.5) ? null : bound() },
    order: random.chance(0.5) ? "asc" : "desc",
    limit: 1 + random.below(DOCUMENTS + 2),
  });
}

test.each([
  ["a fixed", 20_261_101],
  ["a fresh", freshSeed()],
])("PST70 D1 answers as memory does through random commits, reads and clean-ups from %s seed", async (_, seed) => {
  console.info(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const memory = new MemoryPersistence();
  const d1 = new D1Persistence((await databases.create()).db, { keepAlive: () => {} });
  const writer = new TestWriter(memory);
  const times: Timestamp[] = [0 as Timestamp];
  for (let step = 0; step < STEPS; step++) {
    const act = random.next();
    if (act < 0.45) {
      const group = Array.from({ length: 1 + random.below(3) }, () =>
        Array.from({ length: 1 + random.below(4) }, () => change(random)),
      );
      const batch = writer.batch(group);
      await Promise.all([memory.commit(batch), d1.commit(batch)]);
      writer.committed(batch);
      times.push(batch.ts);
    } else if (act < 0.5) {
      // Memory looks at every version, D1 at what the log names: they agree when both are done.
      const before = random.pick(times);
      for (const persistence of [memory, d1]) {
        let more = true;
        while (more) more = await persistence.prune(before, 1 + random.below(20));
      }
    } else {
      const at = random.chance(0.3) ? "latest" : random.pick(times);
      // Several at once: those at the newest snapshot share round trips.
      const questions = Array.from({ length: 1 + random.below(4) }, () =>
        Array.from({ length: 1 + random.below(4) }, () => read(random)),
      );
      const [expected, seen] = await Promise.all(
        [memory, d1].map((persistence) =>
          Promise.all(questions.map((reads) => persistence.read(reads, at).catch((error: Error) => error.message))),
        ),
      );
      expect(seen, `step ${step}, seed ${seed}: ${JSON.stringify({ questions, at })}`).toEqual(expected);
    }
  }
  const everything = INDEXES.map((index) => range({ index, limit: 1_000 }));
  expect(await d1.read(everything, "latest")).toEqual(await memory.read(everything, "latest"));
  const { head } = await memory.read([], "latest");
  expect(await d1.log(head.retainedFrom, 10_000)).toEqual(await memory.log(head.retainedFrom, 10_000));
  // Nothing is left that clean-up should have removed: both hold the same number of entries.
  for (const index of INDEXES) {
    expect(await d1.removeIndexEntries(index, 100_000)).toBe(await memory.removeIndexEntries(index, 100_000));
  }
});
