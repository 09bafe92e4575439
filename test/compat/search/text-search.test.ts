import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { freshRun, FunctionClient } from "../../support/function-client.ts";
import { FIXTURES } from "../../support/paths.ts";

interface Note {
  readonly _id: string;
  readonly body: string;
}

let backend: TestBackend;
let client: FunctionClient;

beforeAll(async () => {
  backend = await startBackend({ app: join(FIXTURES, "search") });
  client = new FunctionClient(backend.url);
});

afterAll(() => backend?.stop());

function insert(documents: readonly object[]): Promise<string[]> {
  return client.mutation("texts:insert", { documents });
}

async function bodies(run: string, text: string, more: object = {}): Promise<string[]> {
  const notes = await client.query<Note[]>("texts:search", { text, eq: [["run", run]], ...more });
  return notes.map(({ body }) => body);
}

test("P-T-2 the last term matches by its beginning, the others whole, in any case, split at anything but letters and digits", async () => {
  const run = freshRun();
  await insert([
    { run, body: "rabbit" },
    { run, body: "send request" },
    { run, body: "snake" },
    { run, body: 17 },
    { run },
  ]);
  expect((await bodies(run, "r")).toSorted()).toEqual(["rabbit", "send request"]);
  expect(await bodies(run, "stake")).toEqual([]);
  expect(await bodies(run, "SEND")).toEqual(["send request"]);
  expect(await bodies(run, "sen")).toEqual(["send request"]);
  expect(await bodies(run, "sen request")).toEqual(["send request"]);
  expect(await bodies(run, "sen snake")).toEqual(["snake"]);
  expect(await bodies(run, "")).toEqual([]);
  expect(await bodies(run, " ,;! ")).toEqual([]);
});

test("P-T-3 a mutation sees what it has written, and the next query too", async () => {
  const run = freshRun();
  const [id] = await insert([{ run, body: "an old text" }]);
  const found = await client.mutation<Note[]>("texts:writeAndSearch", {
    steps: [
      ["insert", { run, body: "a new text" }],
      ["patch", id, { body: "gone" }],
    ],
    search: { text: "text", eq: [["run", run]] },
  });
  expect(found.map(({ body }) => body)).toEqual(["a new text"]);
  expect(await bodies(run, "text")).toEqual(["a new text"]);
  expect(await bodies(run, "gone")).toEqual(["gone"]);
});
