import { beforeEach, expect, test } from "vitest";
import type { SearchDefinition } from "../../../src/engine/derived-index.ts";
import type { IndexId, InternalId, TableId } from "../../../src/engine/names.ts";
import { type DocumentVersion, OutOfRetentionError } from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { MemoryPersistence } from "../../../src/persistence/memory.ts";
import { SearchService } from "../../../src/search/search-service.ts";
import { nodeSql } from "../../support/node-sql.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

const TABLE = 1 as TableId;
const OTHER = 2 as TableId;
const DEFINITION: SearchDefinition = { type: "search", searchField: "body", filterFields: [] };

const SILENT = { info() {}, warn() {}, error() {} };

function id(n: number): InternalId {
  return n.toString(16).toUpperCase().padStart(32, "0") as InternalId;
}

/** Documents by number; `null` removes one. */
type Writes = Readonly<Record<number, string | null>>;

/** Memory that fails on demand, and counts what it is asked. */
class World {
  readonly persistence = new MemoryPersistence();
  readonly bodies = new Map<number, string>();
  readonly sql: ReturnType<typeof nodeSql>;
  ts = 0 as Timestamp;
  reads = 0;
  logs = 0;
  /** Reads until one fails. */
  failAfter = Number.POSITIVE_INFINITY;
  /** Called before each read of the log, and before each read of documents. */
  before: (() => Promise<void>) | null = null;
  service: SearchService;

  constructor(sql = nodeSql()) {
    this.sql = sql;
    this.service = this.restart();
  }

  /** A new object on what the old one stored. */
  restart(): SearchService {
    this.service = new SearchService({
      index: { indexId: 7 as IndexId, tableId: TABLE, definition: DEFINITION },
      persistence: {
        read: async (reads, at) => {
          this.#count();
          this.reads++;
          await this.before?.();
          return await this.persistence.read(reads, at);
        },
        log: async (after, limit) => {
          this.#count();
          this.logs++;
          return await this.persistence.log(after, limit);
        },
      },
      sql: this.sql,
      clock: { now: () => this.reads },
      pause: async () => {},
      memoryBytes: 0,
      log: SILENT,
    });
    return this.service;
  }

  /** `head`: what the database holds, if it is not what this world remembers; the transaction is a new writer's. */
  async commit(writes: Writes, table = TABLE, head?: Timestamp): Promise<Timestamp> {
    const expected = { ts: head ?? this.ts, writer: this.ts === 0 ? "" : "w" };
    const ts = (this.ts + 1) as Timestamp;
    const documents = Object.entries(writes).map(([n, body]): DocumentVersion => {
      const json = JSON.stringify({ body, _creationTime: 1000 + Number(n) });
      return {
        tableId: table,
        id: id(Number(n)),
        ts,
        document: body === null ? null : { json, size: json.length },
        supersedes: true,
      };
    });
    await this.persistence.commit({
      expected,
      ts,
      writer: "w",
      documents,
      entries: [],
      transactions: [
        {
          ts,
          keys: [
            ...documents.map((document) => [`t${table}`, document.id as string as never] as const),
            ...(head === undefined ? [] : [["writer", "AB" as never] as const]),
          ],
        },
      ],
      outcomes: [],
      catalog: null,
    });
    this.ts = ts;
    if (table !== TABLE) return ts;
    for (const [n, body] of Object.entries(writes)) {
      if (body === null) this.bodies.delete(Number(n));
      else this.bodies.set(Number(n), body);
    }
    return ts;
  }

  /** Ids of all documents that hold the word, by number. */
  async find(word: string, ts = this.ts): Promise<number[]> {
    const { hits } = await this.service.searchTexts({ terms: [word], filters: [] }, 10_000, ts);
    return hits.map((hit) => Number.parseInt(hit.id, 16)).toSorted((a, b) => a - b);
  }

  expected(word: string): number[] {
    return [...this.bodies].flatMap(([n, body]) => (body.includes(word) ? [n] : [])).toSorted((a, b) => a - b);
  }

  #count(): void {
    if (--this.failAfter < 0) {
      this.failAfter = Number.POSITIVE_INFINITY;
      throw new Error("The database failed");
    }
  }
}

let world: World;

beforeEach(() => {
  world = new World();
});

function many(from: number, count: number, body: string): Writes {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [from + i, `${body} ${from + i}`]));
}

test("FOL1 documents that were there before the index are found, and what is committed after it was built", async () => {
  await world.commit(many(0, 1300, "old"));
  expect(await world.service.build(100_000)).toBe(true);
  expect(await world.find("old")).toEqual(world.expected("old"));
  await world.commit({ 5: null, 6: "new", 2000: "new" });
  expect(await world.find("old")).toEqual(world.expected("old"));
  expect(await world.find("new")).toEqual([6, 2000]);
});

test("FOL2 a search at a timestamp that the index has reached asks the database nothing", async () => {
  await world.commit({ 1: "word" });
  await world.find("word");
  const { reads, logs } = world;
  expect(await world.find("word")).toEqual([1]);
  expect({ reads: world.reads, logs: world.logs }).toEqual({ reads, logs });
});

test("FOL3 an answer newer than what was asked for names the documents that changed since", async () => {
  const ts = await world.commit({ 1: "word", 2: "word", 3: "word" });
  await world.commit({ 2: "other" });
  await world.commit({ 9: "word" }, OTHER);
  await world.commit({ 4: "word" });
  await world.find("word");
  const answer = await world.service.searchTexts({ terms: ["word"], filters: [] }, 10, ts);
  expect(answer.ts).toBe(world.ts);
  expect(answer.changed.toSorted()).toEqual([id(2), id(4)]);
  await expect(world.persistence.prune(world.ts, 100)).resolves.toBe(false);
  await expect(world.service.searchTexts({ terms: ["word"], filters: [] }, 10, ts)).rejects.toMatchObject({
    code: "SnapshotTooOld",
    retryable: true,
  });
});

test("FOL4 documents that change, come and go while the index is built are what they are in the end", async () => {
  await world.commit(many(0, 1500, "old"));
  let step = 0;
  world.before = async () => {
    step++;
    await world.commit({ [step * 3]: "new", [1499 - step]: null, [3000 + step]: "old and new" });
  };
  for (;;) {
    if (await world.service.build(0)) break;
  }
  world.before = null;
  expect(step).toBeGreaterThan(3);
  expect(await world.find("new")).toEqual(world.expected("new"));
  expect(await world.find("old")).toEqual(world.expected("old"));
});

test("FOL5 whatever fails and whenever the object is made anew, nothing half-indexed is ever found", async () => {
  const seed = freshSeed();
  console.log(`seed: ${seed}`);
  const random = new SeededRandom(seed);
  let failures = 0;
  for (let round = 0; round < 60; round++) {
    const writes: Record<number, string | null> = {};
    const count = random.pick([1, 3, 30, 700]);
    for (let i = 0; i < count; i++) {
      writes[random.below(900)] = random.chance(0.2) ? null : random.pick(["alpha", "beta", "alpha beta"]);
    }
    await world.commit(writes);
    world.failAfter = random.below(6);
    if (random.chance(0.3)) world.sql.failNext();
    for (const word of ["alpha", "beta"]) {
      try {
        expect(await world.find(word), `seed ${seed}`).toEqual(world.expected(word));
      } catch (error) {
        if (!(error instanceof Error) || !error.message.endsWith("failed")) throw error;
        failures++;
      }
      if (random.chance(0.3)) world.restart();
    }
  }
  expect(failures).toBeGreaterThan(5);
  world.failAfter = Number.POSITIVE_INFINITY;
  expect(await world.find("alpha")).toEqual(world.expected("alpha"));
});

test("FOL6 an index that slept until the log had forgotten reads all documents again, removed ones included", async () => {
  await world.commit(many(0, 40, "old"));
  await world.find("old");
  await world.commit({ 3: null, 4: "new", 50: "new" });
  await world.commit({ 60: "other" }, OTHER);
  await world.persistence.prune(world.ts, 1000);
  await expect(world.persistence.log((world.ts - 2) as Timestamp, 1)).rejects.toBeInstanceOf(OutOfRetentionError);
  expect(await world.find("old")).toEqual(world.expected("old"));
  expect(await world.find("new")).toEqual([4, 50]);
});

test("FOL8 after the database was taken back in time, the index is what the documents are", async () => {
  for (const last of ["insert", "delete"] as const) {
    const before = new World();
    await before.commit(many(0, 30, "old"));
    await before.find("old");
    if (last === "insert") await before.commit({ 40: "lost", 3: "lost" });
    else await before.commit({ 4: null });
    await before.find("old");
    // The same storage, on a database that never saw the last commit; a new writer goes on at later timestamps.
    const after = new World(before.sql);
    await after.commit(many(0, 30, "old"));
    after.ts = before.ts;
    await after.commit({ 50: "fresh" }, TABLE, 1 as Timestamp);
    for (const word of ["old", "lost", "fresh"]) expect(await after.find(word), word).toEqual(after.expected(word));
  }
});

test("FOL7 searches that ask for the newest commit at the same time share one reading of the log", async () => {
  const vectors = new SearchService({
    index: {
      indexId: 8 as IndexId,
      tableId: TABLE,
      definition: { type: "vector", vectorField: "v", dimensions: 2, filterFields: [] },
    },
    persistence: {
      read: (reads, at) => world.persistence.read(reads, at),
      log: async (after, limit) => {
        world.logs++;
        return await world.persistence.log(after, limit);
      },
    },
    sql: nodeSql(),
    clock: { now: () => 0 },
    pause: async () => {},
    memoryBytes: 1000,
    log: SILENT,
  });
  await world.commit({ 1: "x" });
  const query = { vector: [1, 0], limit: 1, anyOf: null };
  await vectors.searchVectors(query);
  const before = world.logs;
  await Promise.all(Array.from({ length: 20 }, () => vectors.searchVectors(query)));
  expect(world.logs - before).toBeLessThanOrEqual(2);
  const after = world.logs;
  await vectors.searchVectors(query);
  expect(world.logs).toBe(after + 1);
});
