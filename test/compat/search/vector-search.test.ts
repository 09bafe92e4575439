import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { failure, freshRun, FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

interface Hit {
  readonly _id: string;
  readonly _score: number;
}

let backend: TestBackend;
let client: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "search") });
  client = new FunctionClient(backend.url);
});

afterAll(() => backend?.stop());

function search(args: Record<string, unknown>): Promise<Hit[]> {
  return client.action("vectors:search", args);
}

function insert(documents: readonly object[]): Promise<string[]> {
  return client.mutation("vectors:insert", { documents });
}

test("S0-21 ctx.vectorSearch answers ids and scores, best first, and only actions have it", async () => {
  const run = freshRun();
  const [near, far] = await insert([
    { run, vector: [1, 0, 0] },
    { run, vector: [0, 1, 0] },
  ]);
  expect(await search({ vector: [2, 0, 0], filter: ["eq", "run", run] })).toEqual([
    { _id: near, _score: 1 },
    { _id: far, _score: 0 },
  ]);
  expect(await client.query("vectors:typeInQuery")).toBe("undefined");
  expect(await client.mutation("vectors:typeInMutation")).toBe("undefined");
  expect(await client.action("vectors:typeInAction")).toBe("function");
});

test("P-V-1 vectors of another length, other values and none are not indexed", async () => {
  const run = freshRun();
  const [indexed, , , , , negative] = await insert([
    { run, vector: [1, 2, 3] },
    { run, vector: [1, 2, 3, 4] },
    { run, vector: [1, 2] },
    { run },
    { run, vector: ["1", "2", "3"] },
    { run, vector: [-1, -0, -3] },
    { run, vector: [1, 2, Number.NaN] },
    { run, vector: "vector" },
  ]);
  const hits = await search({ vector: [1, 2, 3], filter: ["eq", "run", run] });
  expect(hits.map(({ _id }) => _id)).toEqual([indexed, negative]);
});

test("P-V-2 a golden set of 50 vectors: best first, equal scores by id, at most `limit`, ten if nothing is said", async () => {
  const run = freshRun();
  const random = new SeededRandom(7);
  const documents = Array.from({ length: 50 }, (_, n) => ({
    run,
    kind: n % 5,
    // Every third one points where another one does.
    vector: n % 3 === 0 ? [n + 1, 0, 0] : [random.next() - 0.5, random.next() - 0.5, random.next() - 0.5],
  }));
  const ids = await insert(documents);
  const expected = (vector: readonly number[], keep: (n: number) => boolean = () => true): Hit[] =>
    documents
      .map((document, n) => ({ _id: ids[n] ?? "", _score: cosine(vector, document.vector), n }))
      .filter(({ n }) => keep(n))
      .toSorted((x, y) => y._score - x._score || (x._id < y._id ? -1 : 1))
      .map(({ _id, _score }) => ({ _id, _score }));
  const filter = ["eq", "run", run];
  for (const vector of [
    [1, 0, 0],
    [-1, 0, 0],
    [0.3, -0.2, 0.9],
    [0, 0, 0],
  ]) {
    const all = await search({ vector, filter, limit: 256 });
    const golden = expected(vector);
    expect(all.map(({ _id }) => _id)).toEqual(golden.map(({ _id }) => _id));
    for (const [i, { _score }] of all.entries()) expect(_score).toBeCloseTo(golden[i]?._score ?? Number.NaN, 6);
    expect(await search({ vector, filter })).toEqual(all.slice(0, 10));
    expect(await search({ vector, filter, limit: 1 })).toEqual(all.slice(0, 1));
  }
  const some = await search({
    vector: [1, 2, 3],
    limit: 50,
    filter: ["or", ["eq", "kind", 1], ["or", ["eq", "kind", 3]]],
  });
  const mine = some.filter(({ _id }) => ids.includes(_id));
  expect(mine.map(({ _id }) => _id)).toEqual(
    expected([1, 2, 3], (n) => n % 5 === 1 || n % 5 === 3).map(({ _id }) => _id),
  );
});

test("P-V-2 filters compare values of every type, missing ones and nested fields; conditions on two fields are alternatives", async () => {
  const run = freshRun();
  const kinds = ["text", 1, 1n, true, null, [1, "a"], { a: 1 }, undefined];
  const ids = await insert(
    kinds.map((kind) => ({ run, vector: [1, 1, 1], meta: { lang: run }, ...(kind === undefined ? {} : { kind }) })),
  );
  for (const [n, kind] of kinds.entries()) {
    // Without a value, the fixture asks for documents that have none.
    const filter = kind === undefined ? ["eq", "kind"] : ["eq", "kind", kind];
    const hits = await search({ vector: [1, 1, 1], limit: 256, filter });
    const mine = hits.map(({ _id }) => _id).filter((id) => ids.includes(id));
    expect(mine, `${n}`).toEqual([ids[n]]);
  }
  expect(await search({ vector: [1, 1, 1], filter: ["eq", "meta.lang", run] })).toHaveLength(kinds.length);
  const other = freshRun();
  const [id] = await insert([{ run: other, vector: [1, 1, 1] }]);
  const either = await search({
    vector: [1, 1, 1],
    filter: ["or", ["eq", "meta.lang", run], ["eq", "run", other]],
    limit: 50,
  });
  expect(either).toHaveLength(kinds.length + 1);
  expect(either.map(({ _id }) => _id)).toContain(id);
});

test("P-V-4 the same search from an action and from an HTTP action is the same", async () => {
  const run = freshRun();
  await insert([
    { run, vector: [1, 2, 3] },
    { run, vector: [3, 2, 1] },
  ]);
  const args = { vector: [1, 1, 2], filter: ["eq", "run", run] };
  const response = await fetch(`${backend.siteUrl}/nearest`, { method: "POST", body: JSON.stringify(args) });
  expect(await response.json()).toEqual(await search(args));
  expect(await client.query("vectors:typeInQuery")).toBe("undefined");
});

test("P-V-3 what an action has written is found by its next search", async () => {
  const run = freshRun();
  const { id, hits } = await client.action<{ id: string; hits: Hit[] }>("vectors:insertAndSearch", {
    document: { run, vector: [0, 0, 1] },
    vector: [0, 0, 1],
  });
  expect(hits).toEqual([{ _id: id, _score: 1 }]);
  await client.mutation("vectors:patch", { id, fields: { vector: [0, 0, -1] } });
  expect(await search({ vector: [0, 0, 1], filter: ["eq", "run", run] })).toEqual([{ _id: id, _score: -1 }]);
  await client.mutation("vectors:remove", { id });
  expect(await search({ vector: [0, 0, 1], filter: ["eq", "run", run] })).toEqual([]);
});

test("P-V-3 writes and searches of many at the same time: who is told that a write is done finds it", async () => {
  const run = freshRun();
  await Promise.all(
    Array.from({ length: 24 }, async (_, n) => {
      const vector = [Math.cos(n), Math.sin(n), 0.5];
      const { id, hits } = await client.action<{ id: string; hits: Hit[] }>("vectors:insertAndSearch", {
        document: { run: `${run} ${n}`, vector },
        vector,
      });
      expect(hits).toEqual([{ _id: id, _score: 1 }]);
    }),
  );
});

test("P-V-5 E-F-16 wrong dimensions, limits, indexes and filters are refused with their texts", async () => {
  const vector = [1, 2, 3];
  const refused = async (args: object): Promise<string> => await failure(search({ vector, ...args }));
  expect(await refused({ vector: [1, 2] })).toContain("Expected a vector with dimensions 3, received 2.");
  expect(await refused({ vector: [1, 2, 3, 4] })).toContain("Expected a vector with dimensions 3, received 4.");
  expect(await refused({ limit: 257 })).toContain("Vector queries can fetch at most 256 results, requested 257.");
  expect(await search({ vector, limit: 256 })).toBeInstanceOf(Array);
  expect(await refused({ limit: 0 })).toContain("`limit` must be a positive integer");
  expect(await refused({ index: "none" })).toContain("Index points.none not found.");
  expect(await refused({ table: "none" })).toContain("Index none.by_vector not found.");
  expect(await refused({ index: "by_kind" })).toContain("Index points.by_kind is not a vector index");
  expect(await refused({ filter: ["eq", "other", 1] })).toContain(
    'Vector query against points.by_vector contains a filter on "other" but that field isn\'t indexed for filtering in `filterFields`.',
  );
  expect(await refused({ filter: true })).toContain("Filters should be a combination of `q.eq` and `q.or`.");
  expect(await refused({ filter: ["or", true] })).toContain("Filters should be a combination of `q.eq` and `q.or`.");
  expect(await refused({ filter: ["eq", 7, 1] })).toContain("The first argument to `q.eq` must be a field name.");
  const conditions = (count: number) => ["or", ...Array.from({ length: count }, (_, n) => ["eq", "kind", n])];
  expect(await refused({ filter: conditions(65) })).toContain(
    "Vector query against points.by_vector has too many conditions. Max: 64 Actual: 65",
  );
  expect(await search({ vector, filter: conditions(64) })).toBeInstanceOf(Array);
  expect(await refused({ vector: [] })).toContain("`vector` must be a non-empty Array in vectorSearch");
  expect(await refused({ vector: [[1, 2, 3]] })).toContain("`vector` must be an array of finite numbers");
  expect(await refused({ vector: [1, 2, "3"] })).toContain("`vector` must be an array of finite numbers");
});

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  return lengths === 0 ? 0 : Math.fround(dot(a, b) / lengths);
}
