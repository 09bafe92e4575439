import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { D1Persistence } from "../../../src/persistence/d1/d1-persistence.ts";
import { rangeSql, withHead } from "../../../src/persistence/d1/range-sql.ts";
import { testDatabases, type TestDatabase, type TestDatabases } from "../../support/d1.ts";
import { get, range } from "./suite.ts";
import { INDEXES, put, remove, TestWriter } from "./writer.ts";

/** Rows written are the bill, rows read its small change: both as D1 counts them, which production does alike. */

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases(20);
});

afterAll(async () => {
  await databases.dispose();
});

interface Setup {
  readonly database: TestDatabase;
  readonly persistence: D1Persistence;
  readonly writer: TestWriter;
}

async function setup(): Promise<Setup> {
  const database = await databases.create();
  const persistence = new D1Persistence(database.db);
  return { database, persistence, writer: new TestWriter(persistence) };
}

/** Rows that the statements sent during `work` read and wrote. */
async function rows(
  { answers }: TestDatabase,
  work: () => Promise<unknown>,
): Promise<{ read: number; written: number }> {
  const from = answers.length;
  await work();
  const sum = { read: 0, written: 0 };
  for (const { meta } of answers.slice(from)) {
    sum.read += meta.rows_read;
    sum.written += meta.rows_written;
  }
  return sum;
}

/** Keys in `by_creation_time` and three user indexes. */
const four = (n: number, changed = "00"): string[] => ["10", "20", changed, (10 + n).toString()];

describe("commits", () => {
  test("ROW1 an insert into a table with 3 user indexes writes 7 rows alone", async () => {
    const { database, writer } = await setup();
    const { written } = await rows(database, () => writer.commit([[put(1, four(1))]]));
    expect(written).toBe(7);
  });

  test("ROW2 ten such inserts in one group write 5.2 rows each", async () => {
    const { database, writer } = await setup();
    const { written } = await rows(database, () =>
      writer.commit(Array.from({ length: 10 }, (_, n) => [put(n, four(n))])),
    );
    expect(written).toBe(52);
  });

  test("ROW3 an update writes 3 rows, and 2 more per changed key", async () => {
    const { database, writer } = await setup();
    await writer.commit([[put(1, four(1))]]);
    const same = await rows(database, () => writer.commit([[put(1, four(1), "new")]]));
    const changed = await rows(database, () => writer.commit([[put(1, four(1, "01"), "newer")]]));
    expect([same.written, changed.written]).toEqual([3, 5]);
  });

  test("ROW4 a delete writes a tombstone per key", async () => {
    const { database, writer } = await setup();
    await writer.commit([[put(1, four(1))]]);
    const { written } = await rows(database, () => writer.commit([[remove(1)]]));
    expect(written).toBe(7);
  });

  test("ROW5 an outcome costs one row", async () => {
    const { database, writer } = await setup();
    const outcomes = [{ sessionId: "s", requestId: "1", outcome: "null" }];
    const { written } = await rows(database, () => writer.commit([[put(1, [])]], { outcomes }));
    expect(written).toBe(4);
  });

  test("ROW6 the number of statements does not grow with the number of rows", async () => {
    const { database, writer } = await setup();
    const counts = [];
    for (const size of [1, 3_000]) {
      const from = database.sent.length;
      await writer.commit([Array.from({ length: size }, (_, n) => put(n, ["10"], "x".repeat(40)))]);
      counts.push(database.sent.length - from);
    }
    expect(counts).toEqual([4, 4]);
  });

  test("ROW7 the size of the database is known after a commit", async () => {
    const { persistence, writer } = await setup();
    expect(persistence.sizeBytes).toBeNull();
    await writer.commit([[put(1, ["10"])]]);
    const before = persistence.sizeBytes ?? 0;
    await writer.commit([[put(2, ["10"], "x".repeat(100_000))]]);
    expect((persistence.sizeBytes ?? 0) - before).toBeGreaterThan(90_000);
  });
});

describe("reads", () => {
  test("ROW10 a point read reads 2 rows, head included, whatever the number of versions; of n points 1 + 2n", async () => {
    const { database, persistence, writer } = await setup();
    for (let version = 0; version < 50; version++) await writer.commit([[put(1, ["10"], version), put(2, ["10"])]]);
    const one = await rows(database, () => persistence.read([get(1)], "latest"));
    const old = await rows(database, () => persistence.read([get(1)], writer.head.ts));
    const two = await rows(database, () => persistence.read([get(1), get(2)], "latest"));
    expect([one.read, old.read, two.read]).toEqual([2, 2, 5]);
  });

  test.each(["asc", "desc"] as const)(
    "ROW11 a range of 20 of 1,000 documents with 10 versions each reads at most 65 rows (%s)",
    async (order) => {
      const { database, persistence, writer } = await setup();
      const field = (n: number): string => (1_000 + n).toString();
      for (let version = 0; version < 10; version++) {
        await writer.commit([Array.from({ length: 1_000 }, (_, n) => put(n, [field(n)], version))]);
      }
      const interval = { start: field(300), end: field(800) };
      const { read } = await rows(database, async () => {
        const { results } = await persistence.read([range({ interval, order, limit: 20 })], "latest");
        expect(results[0].rows).toHaveLength(20);
      });
      // Head, 20 entries, 20 documents, and where the range is read backwards one entry beyond the last group.
      expect(read).toBeLessThanOrEqual(42);
      // The documents table is walked version by version, so versions count there.
      const byId = await rows(database, () =>
        persistence.read([range({ index: "by_id", order, limit: 20 })], "latest"),
      );
      expect(byId.read).toBeLessThanOrEqual(1 + 20 * 10 + 20 + 10);
    },
  );

  test.each(
    (["by_id", "entries"] as const).flatMap((source) =>
      (["asc", "desc"] as const).flatMap((order) =>
        [true, false].flatMap((bounded) => [true, false].map((measured) => ({ source, order, bounded, measured }))),
      ),
    ),
  )(
    "ROW12 a range streams along the primary key: $source $order bounded $bounded measured $measured",
    async (shape) => {
      const { db } = await plans();
      const parameters = [
        1,
        "10",
        5,
        20,
        ...(shape.bounded ? ["20"] : []),
        ...(shape.source === "entries" ? [11] : []),
        ...(shape.measured ? [1000] : []),
      ];
      const { results } = await db
        .prepare(`EXPLAIN QUERY PLAN ${withHead(rangeSql(shape))}`)
        .bind(...parameters)
        .all<{ detail: string }>();
      const [compound, left, head, all, ...plan] = results.map(({ detail }) => detail);
      expect([compound, left, head, all]).toEqual(["COMPOUND QUERY", "LEFT-MOST SUBQUERY", "SCAN head", "UNION ALL"]);
      expect(plan.filter((detail) => /TEMP B-TREE|MATERIALIZE|AUTOMATIC/.test(detail))).toEqual([]);
      expect(plan[0]).toBe("CO-ROUTINE e");
      // A running sum of sizes is made by co-routines around the same walk.
      const walk = plan.slice(1).find((detail) => !detail.startsWith("CO-ROUTINE"));
      expect(walk).toMatch(/^SEARCH (?:documents|index_entries) USING PRIMARY KEY \(\w+=\? AND \w+>\?/);
      expect(plan.at(-1)).toMatch(/^SEARCH documents USING PRIMARY KEY \(table_id=\? AND id=\? AND ts/);
    },
  );

  let shared: Promise<TestDatabase> | undefined;
  function plans(): Promise<TestDatabase> {
    shared ??= databases.create();
    return shared;
  }
});

describe("clean-up", () => {
  test("ROW20 removes what was superseded and its log rows, nothing else, however large the table", async () => {
    // Superseded: 100 versions; 50 versions and 50 entries, whose 50 tombstones go too; 10 deleted documents with
    // 2 entries each, and as many tombstones.
    const superseded = 100 + (50 + 50 + 50) + 10 * (1 + 2) * 2;
    const reads = [];
    for (const size of [300, 3_000]) {
      const { database, persistence, writer } = await setup();
      const field = (n: number): string => (1_000 + n).toString();
      await writer.commit([Array.from({ length: size }, (_, n) => put(n, [field(n), "20"]))]);
      await persistence.prune(writer.head.ts, 1_000);
      await writer.commit([Array.from({ length: 100 }, (_, n) => put(n, [field(n), "20"], "new"))]);
      await writer.commit([Array.from({ length: 50 }, (_, n) => put(100 + n, [field(100 + n), "30"]))]);
      await writer.commit([Array.from({ length: 10 }, (_, n) => remove(200 + n))]);
      const { read, written } = await rows(database, () => persistence.prune(writer.head.ts, 10_000));
      expect(written).toBe(superseded + 3 + 1);
      reads.push(read);
      const left = await database.db
        .prepare(
          `SELECT (SELECT count(*) FROM documents) AS documents, (SELECT count(*) FROM index_entries) AS entries,
          (SELECT count(*) FROM commits) AS commits`,
        )
        .all();
      expect(left.results).toEqual([{ documents: size - 10, entries: 2 * (size - 10), commits: 0 }]);
    }
    expect(reads[1]).toBe(reads[0]);
    expect(reads[0]).toBeLessThan(8 * superseded);
  });

  test("ROW21 inserts leave nothing to remove but their log row", async () => {
    const { database, persistence, writer } = await setup();
    await writer.commit([Array.from({ length: 50 }, (_, n) => put(n, four(n)))]);
    const { written } = await rows(database, () => persistence.prune(writer.head.ts, 10_000));
    expect(written).toBe(1 + 1);
  });

  test("ROW23 old outcomes are removed as a range: nothing else is read", async () => {
    const { database, persistence, writer } = await setup();
    const day = 24 * 60 * 60 * 1_000_000;
    for (const [ts, count] of [
      [20 * day, 30],
      [24 * day, 500],
    ] as const) {
      const outcomes = Array.from({ length: count }, (_, n) => ({ sessionId: "s", requestId: `${n}`, outcome: "1" }));
      const batch = writer.batch([[]], { outcomes });
      const at = ts as typeof batch.ts;
      const moved = { ...batch, ts: at, outcomes: batch.outcomes.map((outcome) => ({ ...outcome, ts: at })) };
      await persistence.commit(moved);
      writer.committed(moved);
    }
    const { read, written } = await rows(database, () => persistence.prune(writer.head.ts, 10_000));
    // 30 outcomes, 2 log rows, the head.
    expect(written).toBe(33);
    expect(read).toBeLessThan(200);
    const found = await rows(database, () => persistence.outcome("s", "7"));
    expect(found.read).toBeLessThanOrEqual(10);
  });

  test("ROW22 removed entries of a dropped index are the rows written", async () => {
    const { database, persistence, writer } = await setup();
    await writer.commit([Array.from({ length: 50 }, (_, n) => put(n, four(n)))]);
    const index = INDEXES[0];
    if (index === undefined) throw new Error("no index");
    const { written } = await rows(database, () => persistence.removeIndexEntries(index, 30));
    expect(written).toBe(30);
  });
});

test("ROW25 following a head reads 3 rows while nothing happens, 3 more per commit, and has an end", async () => {
  const { database, persistence, writer } = await setup();
  await writer.commit([[put(1, ["10"])]]);
  const { head } = await persistence.read([], "latest");
  const idle = await rows(database, () => persistence.follow(head));
  for (let i = 0; i < 5; i++) await writer.commit([[put(1, ["10"], i)]]);
  const five = await rows(database, () => persistence.follow(head));
  expect([idle.read, five.read]).toEqual([3, 17]);
  const long = "AB".repeat(4000);
  for (let i = 0; i < 5; i++) {
    await writer.commit([Array.from({ length: 70 }, (_, n) => put(100 * i + n, [long, long]))]);
  }
  expect((await persistence.follow(head)).transactions).toBeNull();
});
