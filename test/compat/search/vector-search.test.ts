import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { failure, freshRun, FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";

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

test("P-V-3 E-F-16 what an action has written is found by its next search", async () => {
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
  expect(await failure(search({ vector: [1, 2] }))).toContain("Expected a vector with dimensions 3, received 2.");
});
