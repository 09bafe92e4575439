import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  FencedError,
  UnknownOutcomeError,
  type CommitBatch,
  type Persistence,
} from "../../../src/engine/persistence.ts";
import { D1Persistence } from "../../../src/persistence/d1/d1-persistence.ts";
import { MemoryPersistence } from "../../../src/persistence/memory.ts";
import { testDatabases, type TestDatabases } from "../../support/d1.ts";
import { FaultyPersistence } from "../../support/faulty-persistence.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";
import { get, persistenceContract, range } from "./suite.ts";
import { put, TestWriter } from "./writer.ts";

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases(3);
});

afterAll(async () => {
  await databases.dispose();
});

persistenceContract("faulty wrapper without faults", async () => new FaultyPersistence(new MemoryPersistence()));

describe.each([
  ["memory", async (): Promise<Persistence> => new MemoryPersistence()],
  ["D1", async (): Promise<Persistence> => new D1Persistence((await databases.create()).db)],
])("unknown outcomes on %s", (_, create) => {
  test("FLT1 the identical batch may be sent until the head tells, and is stored once", async () => {
    const faulty = new FaultyPersistence(await create());
    const writer = new TestWriter(faulty);
    faulty.script("commit", { kind: "lost before" }, { kind: "reset" }, { kind: "lost after" }, { kind: "overloaded" });
    await commitSurely(faulty, writer, writer.batch([[put(1, ["10"], 1)]]));
    const { results } = await faulty.read([range()], "latest");
    expect(results[0].rows).toHaveLength(1);
    await expect(faulty.log(writer.head.ts, 10)).resolves.toEqual([]);
    await writer.commit([[put(1, ["10"], 2)]]);
  });

  test("FLT2 a duplicate that arrives late, after newer commits, changes nothing", async () => {
    const faulty = new FaultyPersistence(await create());
    const writer = new TestWriter(faulty);
    faulty.script("commit", { kind: "later" });
    await commitSurely(faulty, writer, writer.batch([[put(1, ["10"], "old")]]));
    await writer.commit([[put(1, ["20"], "new")]]);
    await faulty.settle();
    const { head, results } = await faulty.read([get(1), range()], "latest");
    expect(JSON.parse(results[0]?.json ?? "").body).toBe("new");
    expect(results[1].rows).toHaveLength(1);
    expect(head.ts).toBe(writer.head.ts);
  });

  test("FLT3 under random faults every acknowledged commit is stored exactly once", async () => {
    const seed = freshSeed();
    console.info(`seed ${seed}`);
    const random = new SeededRandom(seed);
    const faulty = new FaultyPersistence(await create());
    const writer = new TestWriter(faulty);
    faulty.chance(random, 0.4, ["lost before", "lost after", "later", "overloaded", "reset"]);
    for (let n = 1; n <= 30; n++) {
      await commitSurely(faulty, writer, writer.batch([[put(n, ["10"], n), put(0, ["10"], n)]]));
      if (random.chance(0.2)) await faulty.settle();
    }
    faulty.heal();
    await faulty.settle();
    const { results } = await faulty.read([range({ limit: 100 }), get(0)], "latest");
    expect(results[0].rows).toHaveLength(31);
    expect(JSON.parse(results[1]?.json ?? "").body).toBe(30);
    await expect(faulty.log(0 as typeof writer.head.ts, 100)).resolves.toHaveLength(30);
  });
});

/** Sends the identical batch again until its fate is known. */
async function commitSurely(persistence: FaultyPersistence, writer: TestWriter, batch: CommitBatch): Promise<void> {
  for (;;) {
    try {
      await persistence.commit(batch);
      break;
    } catch (error) {
      if (error instanceof UnknownOutcomeError) continue;
      if (!(error instanceof FencedError)) throw error;
      break;
    }
  }
  for (;;) {
    try {
      const { head } = await persistence.read([], "latest");
      expect([head.ts, head.writer]).toEqual([batch.ts, batch.writer]);
      break;
    } catch (error) {
      if (!(error instanceof Error && "retryable" in error && error.retryable === true)) throw error;
    }
  }
  writer.committed(batch);
}
