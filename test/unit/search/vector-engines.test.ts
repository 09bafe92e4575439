import { describe, expect, test } from "vitest";
import type { VectorDefinition } from "../../../src/engine/derived-index.ts";
import type { IndexId, InternalId, TableId } from "../../../src/engine/names.ts";
import type { DocumentVersion } from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { encodeValue } from "../../../src/engine/value-key.ts";
import type { VectorHit, VectorQuery } from "../../../src/engine/vector-index.ts";
import { MemoryPersistence } from "../../../src/persistence/memory.ts";
import { SearchService } from "../../../src/search/search-service.ts";
import { similarity, unitVector } from "../../../src/search/vector/unit-vector.ts";
import { FakeVectorize } from "../../support/fake-vectorize.ts";
import { nodeSql } from "../../support/node-sql.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

/** What every engine of vector search must do, whatever it keeps where. */

const TABLE = 1 as TableId;
const DEFINITION: VectorDefinition = {
  type: "vector",
  vectorField: "v",
  dimensions: 4,
  filterFields: ["kind", "other"],
};

interface Point {
  readonly v: readonly number[];
  readonly kind: string;
}

function id(n: number): InternalId {
  return n.toString(16).toUpperCase().padStart(32, "0") as InternalId;
}

class World {
  readonly persistence = new MemoryPersistence();
  readonly points = new Map<InternalId, Point>();
  readonly errors: unknown[] = [];
  readonly #vectorize: FakeVectorize | null;
  readonly #sql = nodeSql();
  #ts = 0 as Timestamp;
  service: SearchService;

  constructor(vectorize: FakeVectorize | null) {
    this.#vectorize = vectorize;
    this.service = this.restart();
  }

  restart(): SearchService {
    this.service = new SearchService({
      index: { indexId: 3 as IndexId, tableId: TABLE, definition: DEFINITION },
      persistence: this.persistence,
      sql: this.#sql,
      clock: { now: () => 0 },
      pause: async () => {},
      memoryBytes: 2000,
      vectorize: this.#vectorize,
      log: { info() {}, warn() {}, error: (_, error) => this.errors.push(error) },
    });
    return this.service;
  }

  async commit(writes: ReadonlyMap<InternalId, Point | null>): Promise<void> {
    const ts = (this.#ts + 1) as Timestamp;
    const documents = Array.from(writes, ([name, point]): DocumentVersion => {
      if (point === null) this.points.delete(name);
      else this.points.set(name, point);
      const json = JSON.stringify(point);
      return { tableId: TABLE, id: name, ts, document: point === null ? null : { json, size: 100 }, supersedes: true };
    });
    await this.persistence.commit({
      expected: { ts: this.#ts, writer: this.#ts === 0 ? "" : "w" },
      ts,
      writer: "w",
      documents,
      entries: [],
      transactions: [{ ts, keys: documents.map((document) => [`t${TABLE}`, document.id as string as never]) }],
      outcomes: [],
      catalog: null,
    });
    this.#ts = ts;
  }

  expected({ vector, limit, anyOf }: VectorQuery): VectorHit[] {
    const unit = unitVector(vector);
    return Array.from(this.points)
      .filter(([, { kind }]) => anyOf === null || anyOf.some(({ key }) => key === encodeValue(kind)))
      .map(([name, { v }]) => ({ id: name, score: similarity(unit, unitVector(v)) }))
      .toSorted((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
      .slice(0, limit);
  }
}

const ENGINES = { own: () => null, Vectorize: () => new FakeVectorize(4) } as const;

for (const [name, make] of Object.entries(ENGINES)) {
  describe(`engine: ${name}`, () => {
    test("VEC1 every search finds what the documents of the newest commit hold, whatever is shown when", async () => {
      const seed = freshSeed();
      console.log(`seed: ${seed}`);
      const random = new SeededRandom(seed);
      const vectorize = make();
      const world = new World(vectorize);
      const vector = () => Array.from({ length: 4 }, () => random.below(7) - 3);
      for (let round = 0; round < 80; round++) {
        const writes = new Map<InternalId, Point | null>();
        for (let i = 0; i <= random.below(5); i++) {
          writes.set(id(random.below(60)), random.chance(0.25) ? null : { v: vector(), kind: `k${random.below(3)}` });
        }
        await world.commit(writes);
        if (vectorize !== null) {
          vectorize.process(random.below(3));
          // A failure of what nobody waits for is logged, and made good later.
          vectorize.failing = false;
        }
        const query: VectorQuery = {
          vector: vector(),
          limit: 1 + random.below(20),
          anyOf: random.chance(0.5) ? null : [{ field: "kind", key: encodeValue(`k${random.below(4)}`) }],
        };
        expect(await world.service.searchVectors(query), `seed ${seed}`).toEqual(world.expected(query));
        if (random.chance(0.1)) world.restart();
        if (vectorize !== null && random.chance(0.2)) {
          vectorize.failing = true;
          await world.service.build(1000);
        }
      }
    });

    test("VEC2 documents from before the index are found, and an index that is dropped leaves nothing", async () => {
      const vectorize = make();
      const world = new World(vectorize);
      const points = Array.from({ length: 700 }, (_, n) => [id(n), { v: [1, n, 0, 0], kind: "k" }] as const);
      await world.commit(new Map(points));
      expect(await world.service.build(1_000_000)).toBe(true);
      const query = { vector: [1, 0, 0, 0], limit: 5, anyOf: null };
      expect(await world.service.searchVectors(query)).toEqual(world.expected(query));
      vectorize?.process();
      expect(await world.service.searchVectors(query)).toEqual(world.expected(query));
      await world.service.drop();
      vectorize?.process();
      expect(vectorize?.size ?? 0).toBe(0);
    });
  });
}

test("VEC3 what Vectorize shows is not kept here any longer, and what it can't answer is refused", async () => {
  const vectorize = new FakeVectorize(4);
  const world = new World(vectorize);
  await world.commit(new Map([[id(1), { v: [1, 0, 0, 0], kind: "k" }]]));
  const query = { vector: [1, 0, 0, 0], limit: 1, anyOf: null };
  await world.service.searchVectors(query);
  await new Promise(setImmediate);
  vectorize.process();
  await world.service.build(10);
  await new Promise(setImmediate);
  // Found by the other service now: without it there is nothing.
  expect(await world.service.searchVectors(query)).toHaveLength(1);
  vectorize.failing = true;
  await expect(world.service.searchVectors(query)).rejects.toThrow("Vectorize failed");
  expect(world.errors).toEqual([]);
  await expect(world.service.searchVectors({ ...query, limit: 101 })).rejects.toThrow(
    "Vector queries can fetch at most 100 results from Vectorize, requested 101.",
  );
});
