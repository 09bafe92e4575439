import { describe, expect, test } from "vitest";
import type { InternalId } from "../../../src/engine/names.ts";
import type { StoredDocument } from "../../../src/engine/persistence.ts";
import type { Timestamp } from "../../../src/engine/timestamp.ts";
import { encodeValue } from "../../../src/engine/value-key.ts";
import type { VectorHit, VectorQuery } from "../../../src/engine/vector-index.ts";
import { ExactVectors } from "../../../src/search/vector/exact-vectors.ts";
import { finiteVector } from "../../../src/search/vector/finite-vector.ts";
import { QuantizedVectors } from "../../../src/search/vector/quantized-vectors.ts";
import { SqlVectorStore } from "../../../src/search/vector/sql-vector-store.ts";
import { similarity, unitVector } from "../../../src/search/vector/unit-vector.ts";
import { nodeSql } from "../../support/node-sql.ts";
import { freshSeed, SeededRandom } from "../../support/seeded-random.ts";

const MIB = 1024 * 1024;

interface Point {
  readonly vector: readonly number[];
  readonly kind?: string;
}

function id(n: number): InternalId {
  return n.toString(16).toUpperCase().padStart(32, "0") as InternalId;
}

function at(ts: number): { readonly ts: Timestamp; readonly cursor: null } {
  return { ts: ts as Timestamp, cursor: null };
}

function stored(point: object, ts = 1): StoredDocument {
  const json = JSON.stringify(point);
  return { json, size: json.length, ts: ts as Timestamp };
}

function engine(dimensions: number, options: { memoryBytes?: number; hash?: (key: string) => number } = {}) {
  const sql = nodeSql();
  const make = () =>
    new ExactVectors({
      store: new SqlVectorStore(sql),
      definition: { type: "vector", vectorField: "vector", dimensions, filterFields: ["kind"] },
      memoryBytes: options.memoryBytes ?? 64 * MIB,
      pause: async () => {},
      ...(options.hash === undefined ? {} : { hash: options.hash }),
    });
  return { sql, vectors: make(), make };
}

function kinds(...values: string[]): VectorQuery["anyOf"] {
  return values.map((value) => ({ field: "kind", key: encodeValue(value) }));
}

/** Compares with every vector, in the plainest way. */
function bruteForce(points: ReadonlyMap<InternalId, Point>, { vector, limit, anyOf }: VectorQuery): VectorHit[] {
  const unit = unitVector(vector);
  return Array.from(points)
    .filter(([, point]) => anyOf === null || anyOf.some(({ key }) => key === encodeValue(point.kind)))
    .map(([name, point]) => ({ id: name, score: similarity(unit, unitVector(point.vector)) }))
    .toSorted((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
    .slice(0, limit);
}

/** Roughly normal. */
function gaussian(random: SeededRandom): number {
  return random.next() + random.next() + random.next() + random.next() - 2;
}

type Make = (random: SeededRandom, dimensions: number, n: number) => readonly number[];

const SETS: Readonly<Record<string, Make>> = {
  random: (random, dimensions) => Array.from({ length: dimensions }, () => gaussian(random)),
  // All within a few degrees of one of three directions: quantization alone could not order them.
  clustered: (random, dimensions, n) =>
    Array.from({ length: dimensions }, (_, i) => Math.sin((i + 1) * (1 + (n % 3))) + 0.01 * gaussian(random)),
  duplicates: (_, dimensions, n) => Array.from({ length: dimensions }, (__, i) => Math.cos(i * (1 + (n % 4)))),
  zeros: (random, dimensions, n) => Array.from({ length: dimensions }, () => (n % 2 === 0 ? 0 : random.below(3) - 1)),
  extremes: (random, dimensions, n) =>
    Array.from({ length: dimensions }, (_, i) =>
      i === n % dimensions ? 1e308 * (random.chance(0.5) ? 1 : -1) : 1e-308 * gaussian(random),
    ),
};

describe("P-V-2 the default engine finds exactly what brute force finds", () => {
  const seed = freshSeed();
  console.log(`seed: ${seed}`);
  for (const dimensions of [2, 384, 1536, 4096]) {
    for (const [name, make] of Object.entries(SETS)) {
      for (const memory of ["in memory", "half outside of it"] as const) {
        test(`${name}, ${dimensions} dimensions, ${memory} (SEED=${seed})`, async () => {
          const random = new SeededRandom(seed);
          const count = dimensions === 4096 ? 200 : 600;
          const memoryBytes = memory === "in memory" ? 64 * MIB : (count * (dimensions + 17)) / 2;
          const { vectors } = engine(dimensions, { memoryBytes });
          await vectors.open();
          const points = new Map<InternalId, Point>();
          for (let n = 0; n < count; n++) {
            points.set(id(random.below(2 ** 30)), { vector: make(random, dimensions, n), kind: `k${n % 3}` });
          }
          vectors.apply(
            Array.from(points, ([name_, point]) => ({ id: name_, document: stored(point) })),
            at(1),
          );
          if (memory !== "in memory") expect(vectors.bytes).toBeLessThanOrEqual(memoryBytes);
          for (let q = 0; q < 6; q++) {
            const query: VectorQuery = {
              vector: q === 0 ? make(random, dimensions, 1) : make(random, dimensions, q),
              limit: [1, 10, 10, 50, 256, 3][q] ?? 10,
              anyOf: q < 3 ? null : kinds(`k${q % 3}`, "k9"),
            };
            expect(vectors.search(query)).toEqual(bruteForce(points, query));
          }
        });
      }
    }
  }
});

test("P-V-2 an approximate similarity is never further from the exact one than its bound", () => {
  const seed = freshSeed();
  const random = new SeededRandom(seed);
  for (const dimensions of [2, 3, 17, 384, 1536, 4096]) {
    for (let round = 0; round < 40; round++) {
      const make = random.pick(Object.values(SETS));
      const [a, b] = [unitVector(make(random, dimensions, round)), unitVector(make(random, dimensions, round + 1))];
      const quantized = new QuantizedVectors(dimensions, 0, MIB);
      quantized.set(0, b, []);
      const [candidate] = quantized.candidates(a, null, 1);
      const exact = similarity(a, b);
      expect(candidate?.upper, `seed ${seed}`).toBeGreaterThanOrEqual(exact);
      // The opposite query bounds it from below.
      const [opposite] = quantized.candidates(
        a.map((value) => -value),
        null,
        1,
      );
      expect(-(opposite?.upper ?? 0), `seed ${seed}`).toBeLessThanOrEqual(exact);
    }
  }
});

test("P-V-2 few candidates are compared exactly, and memory is the codes and little more", async () => {
  const random = new SeededRandom(freshSeed());
  const dimensions = 1536;
  const quantized = new QuantizedVectors(dimensions, 1, 64 * MIB);
  const count = 2000;
  for (let n = 0; n < count; n++) quantized.set(n, unitVector(SETS["random"]?.(random, dimensions, n) ?? []), [0]);
  const query = unitVector(SETS["random"]?.(random, dimensions, 1) ?? []);
  expect(quantized.candidates(query, null, 10).length).toBeLessThan(count / 10);
  expect(quantized.bytes).toBeLessThanOrEqual(1.3 * count * dimensions);
});

test("P-V-2 filter values with the same hash are told apart, and keep no other vector out", async () => {
  const { vectors } = engine(2, { hash: () => 7 });
  await vectors.open();
  const points = new Map<InternalId, Point>();
  // The nearest ones have the wrong kind.
  for (let n = 0; n < 200; n++) {
    const angle = n / 200;
    points.set(id(n), { vector: [Math.cos(angle), Math.sin(angle)], kind: n < 100 ? "wrong" : "right" });
  }
  vectors.apply(
    Array.from(points, ([name, point]) => ({ id: name, document: stored(point) })),
    at(1),
  );
  const query = { vector: [1, 0], limit: 20, anyOf: kinds("right") };
  expect(vectors.search(query)).toEqual(bruteForce(points, query));
});

test("P-V-3 changes, removals and a restart keep the index what the documents are", async () => {
  const seed = freshSeed();
  const random = new SeededRandom(seed);
  for (const memoryBytes of [64 * MIB, 3000, 0]) {
    const { vectors: first, make } = engine(8, { memoryBytes });
    let vectors = first;
    await vectors.open();
    const points = new Map<InternalId, Point>();
    for (let step = 1; step <= 120; step++) {
      const name = id(random.below(60));
      const fate = random.below(10);
      if (fate < 2) {
        points.delete(name);
        vectors.apply([{ id: name, document: null }], at(step));
      } else if (fate === 2) {
        // No vector any more.
        points.delete(name);
        vectors.apply([{ id: name, document: stored({ vector: [1] }, step) }], at(step));
      } else {
        const point = { vector: Array.from({ length: 8 }, () => gaussian(random)), kind: `k${random.below(2)}` };
        points.set(name, point);
        vectors.apply([{ id: name, document: stored(point, step) }], at(step));
      }
      if (step % 40 === 0) {
        vectors = make();
        await vectors.open();
      }
      if (step % 5 > 0) continue;
      const query = {
        vector: Array.from({ length: 8 }, () => gaussian(random)),
        limit: 7,
        anyOf: random.chance(0.5) ? null : kinds("k1"),
      };
      expect(vectors.search(query), `seed ${seed}`).toEqual(bruteForce(points, query));
      expect(vectors.state).toEqual(at(step));
    }
  }
});

test("P-V-3 a walk over a range of ids removes what is not in it and leaves alone what is unchanged", async () => {
  const { vectors } = engine(2);
  await vectors.open();
  const document = stored({ vector: [1, 0] }, 5);
  vectors.apply(
    [1, 2, 3, 4].map((n) => ({ id: id(n), document })),
    at(5),
  );
  vectors.replace({ start: id(2), end: id(4) }, [{ id: id(3), document: stored({ vector: [0, 1] }, 6) }], {
    ts: 6 as Timestamp,
    cursor: id(3),
  });
  expect(vectors.search({ vector: [1, 0], limit: 10, anyOf: null })).toEqual([
    { id: id(1), score: 1 },
    { id: id(4), score: 1 },
    { id: id(3), score: 0 },
  ]);
  expect(vectors.state).toEqual({ ts: 6, cursor: id(3) });
});

test("E-F-16 what is no array of finite float64 of the right length is no vector", () => {
  expect(finiteVector([1, 2.5], 2)).toEqual([1, 2.5]);
  expect(finiteVector([{ $float: "AAAAAAAAAIA=" }, 1], 2)).toEqual([0, 1]);
  for (const value of [
    undefined,
    null,
    "12",
    [1],
    [1, 2, 3],
    [1, "2"],
    [1, null],
    [1, { $float: "AAAAAAAA+H8=" }],
    [1, { $integer: "AQAAAAAAAAA=" }],
    { 0: 1, 1: 2 },
  ]) {
    expect(finiteVector(value, 2)).toBeNull();
  }
});

test("P-V-2 a zero vector is similar to nothing, and no length or scale changes a similarity", () => {
  expect(similarity(unitVector([0, 0]), unitVector([1, 0]))).toBe(0);
  expect(similarity(unitVector([3, 4]), unitVector([6e300, 8e300]))).toBe(1);
  expect(similarity(unitVector([5e-324, 0]), unitVector([1, 0]))).toBe(1);
  expect(similarity(unitVector([1, 1, 1]), unitVector([-1e-200, -1e-200, -1e-200]))).toBe(-1);
});
