import { join } from "node:path";
import { ConvexClient } from "convex/browser";
import { anyApi } from "convex/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../../support/backend.ts";
import { failure, freshRun, FunctionClient } from "../../support/function-client.ts";
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

test("P-T-2 relevance order: more terms, rarer terms, more often, in a shorter text; newest first on ties", async () => {
  const run = freshRun();
  await insert([
    ...Array.from({ length: 12 }, (_, n) => ({ run, body: `frequent filler ${n}` })),
    { run, body: "rarity" },
    { run, body: "frequent rarity" },
    { run, body: "rarity rarity rarity" },
    { run, body: "rarity within a much longer text of many other words" },
  ]);
  expect(await bodies(run, "rarity")).toEqual([
    "rarity rarity rarity",
    "rarity",
    "frequent rarity",
    "rarity within a much longer text of many other words",
  ]);
  const both = await bodies(run, "frequent rarity");
  expect(both).toHaveLength(16);
  expect(both.slice(0, 3).toSorted()).toEqual(["frequent rarity", "rarity", "rarity rarity rarity"]);
  // All alike but for their age.
  expect(both.slice(4)).toEqual(Array.from({ length: 12 }, (_, n) => `frequent filler ${11 - n}`));
  expect(await bodies(run, "filler", { take: 3 })).toEqual(both.slice(4, 7));
  expect((await client.query<Note>("texts:search", { text: "rarity", eq: [["run", run]], end: "first" })).body).toBe(
    "rarity rarity rarity",
  );
});

test("P-T-2 filter fields of any type and a filter on top", async () => {
  const run = freshRun();
  await insert([
    { run, body: "word a", channel: 1, props: { done: true, title: "Title one" } },
    { run, body: "word b", channel: "1", props: { done: false } },
    { run, body: "word c", channel: 1n },
    { run, body: "word d" },
  ]);
  expect(
    await bodies(run, "word", {
      eq: [
        ["run", run],
        ["channel", 1],
      ],
    }),
  ).toEqual(["word a"]);
  expect(
    await bodies(run, "word", {
      eq: [
        ["run", run],
        ["channel", "1"],
      ],
    }),
  ).toEqual(["word b"]);
  expect(
    await bodies(run, "word", {
      eq: [
        ["run", run],
        ["channel", 1n],
      ],
    }),
  ).toEqual(["word c"]);
  expect(await bodies(run, "word", { eq: [["run", run], ["channel"]] })).toEqual(["word d"]);
  expect(
    await bodies(run, "word", {
      eq: [
        ["run", run],
        ["props.done", false],
      ],
    }),
  ).toEqual(["word b"]);
  expect(await bodies(run, "word", { where: ["channel", "1"] })).toEqual(["word b"]);
  expect(await bodies(run, "word", { where: ["body", "word a"], take: 1 })).toEqual(["word a"]);
  const titled = await client.query<Note[]>("texts:search", { index: "by_title", field: "props.title", text: "one" });
  expect(titled.map(({ body }) => body)).toEqual(["word a"]);
});

test("P-T-2 16 terms and 8 conditions; a word of 40 characters matches by its first 32", async () => {
  const run = freshRun();
  const words = Array.from({ length: 17 }, (_, n) => `term${String.fromCharCode(97 + n)}`);
  await insert([
    { run, body: words[16] },
    { run, body: words[3] },
    { run, body: "x".repeat(40) },
  ]);
  expect(await bodies(run, words.join(" "))).toEqual([words[3]]);
  expect(await bodies(run, words.slice(1).join(" "))).toHaveLength(2);
  expect(await bodies(run, "x".repeat(32))).toEqual(["x".repeat(40)]);
  expect(await bodies(run, "x".repeat(40))).toEqual(["x".repeat(40)]);
  const conditions = (count: number) => Array.from({ length: count }, () => ["run", run]);
  expect(await bodies(run, "terma", { eq: conditions(7) })).toEqual([]);
  expect(await failure(bodies(run, "terma", { eq: conditions(8) }))).toContain(
    "Search query against notes.by_body has too many filter conditions. Max: 8 Actual: 9",
  );
});

test("P-T-2 E-F-16 searches that are none are refused with their texts", async () => {
  const refused = (args: object): Promise<string> => failure(client.query("texts:search", { text: "word", ...args }));
  const against = "Search query against notes.by_body contains";
  expect(await refused({ field: "channel" })).toContain(
    `${against} a search filter against "channel", which doesn't match the indexed \`searchField\` "body".`,
  );
  expect(await refused({ again: "more" })).toContain(
    `${against} multiple search filters against "body". Only one is allowed.`,
  );
  expect(await refused({ eq: [["other", 1]] })).toContain(
    `${against} an equality filter on "other" but that field isn't indexed for filtering in \`filterFields\`.`,
  );
  expect(await failure(client.query("texts:search", { eq: [["channel", 1]] }))).toContain(
    'Search query against notes.by_body does not contain any search filters. You must include a search filter like `q.search("body", searchText)`.',
  );
  expect(await refused({ index: "by_run" })).toContain("Index notes.by_run is not a search index");
  expect(await refused({ index: "none" })).toContain("Index notes.none not found.");
  expect(await refused({ table: "none" })).toContain("Index none.by_body not found.");
  expect(await refused({ table: "points", index: "by_vector" })).toContain(
    "Index points.by_vector is not a search index",
  );
  expect(await refused({ order: "asc" })).toContain("Search queries must always be in relevance order.");
});

test("E-F-17 more than 1024 matches can't be read; a limit or a filter field makes them fewer", async () => {
  const run = freshRun();
  const batch = (from: number, count: number) =>
    insert(Array.from({ length: count }, (_, n) => ({ run, body: "crowd", channel: (from + n) % 2 })));
  await batch(0, 1024);
  expect(await bodies(run, "crowd")).toHaveLength(1024);
  await batch(0, 1);
  const text =
    "Search query scanned too many documents (fetched 1024). Consider using a smaller limit, paginating the query, or using a filter field to limit the number of documents pulled from the search index.";
  expect(await failure(bodies(run, "crowd"))).toContain(text);
  expect(await bodies(run, "crowd", { take: 1024 })).toHaveLength(1024);
  expect(await failure(bodies(run, "crowd", { take: 1025 }))).toContain(text);
  expect(
    await bodies(run, "crowd", {
      eq: [
        ["run", run],
        ["channel", 1],
      ],
    }),
  ).toHaveLength(512);
});

interface Page {
  readonly page: readonly Note[];
  readonly isDone: boolean;
  readonly continueCursor: string;
  readonly splitCursor: string | null;
}

test("P-T-3 25 matches in pages of 10 are three pages", async () => {
  const run = freshRun();
  await insert(Array.from({ length: 25 }, (_, n) => ({ run, body: `paged ${"pad ".repeat(n % 7)}` })));
  const search = { text: "paged", eq: [["run", run]] };
  const pages: Page[] = [];
  let cursor: string | null = null;
  do {
    const page: Page = await client.query("texts:page", { search, paginationOpts: { numItems: 10, cursor } });
    pages.push(page);
    cursor = page.isDone ? null : page.continueCursor;
  } while (cursor !== null);
  expect(pages.map(({ page }) => page.length)).toEqual([10, 10, 5]);
  expect(pages.map(({ splitCursor }) => splitCursor)).toEqual([null, null, null]);
  const all = await client.query<Note[]>("texts:search", search);
  expect(pages.flatMap(({ page }) => page)).toEqual(all);
  const other = { text: "other", eq: [["run", run]] };
  expect(
    await failure(
      client.query("texts:page", {
        search: other,
        paginationOpts: { numItems: 10, cursor: pages[0]?.continueCursor ?? null },
      }),
    ),
  ).toContain("InvalidCursor");
});

test("P-T-3 a mutation sees inserted, changed and deleted documents at the places they have for everybody afterwards", async () => {
  const run = freshRun();
  const ids = await insert(Array.from({ length: 40 }, (_, n) => ({ run, body: `note ${"pad ".repeat(n)}` })));
  const search = { text: "note", eq: [["run", run]] };
  const seen = await client.mutation<Note[]>("texts:writeAndSearch", {
    steps: [
      ["insert", { run, body: "note" }],
      ["patch", ids[39], { body: "note note" }],
      ["patch", ids[1], { body: "nothing" }],
      ["delete", ids[0]],
      ["insert", { run: "somebody else's", body: "note" }],
      ["patch", ids[5], { run: "somebody else's" }],
      ["patch", ids[6], { channel: "untouched text" }],
    ],
    search,
  });
  const after = await client.query<Note[]>("texts:search", search);
  expect(seen.map(({ _id }) => _id)).toEqual(after.map(({ _id }) => _id));
  expect(after).toHaveLength(38);
  expect(after.find(({ _id }) => _id === ids[6])).toMatchObject({ channel: "untouched text" });
});

test("P-T-3 mutations that search conflict with each other: what they count is never counted twice", async () => {
  const run = freshRun();
  const counted = await Promise.all(
    Array.from({ length: 12 }, () =>
      client.mutation<number>("texts:countInto", { run, text: "ticket", body: "ticket sold" }),
    ),
  );
  // Each has seen all that came before it.
  expect(counted.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, n) => n));
});

test("P-T-3 searches and writes of many at the same time: what is done is found", async () => {
  const run = freshRun();
  await Promise.all(
    Array.from({ length: 16 }, async (_, n) => {
      const word = `unique${String.fromCharCode(97 + n)}`;
      const [id] = await insert([{ run, body: `${word} text` }]);
      expect(await bodies(run, word)).toEqual([`${word} text`]);
      await client.mutation("texts:patch", { id, fields: { body: `${word} changed` } });
      expect(await bodies(run, word)).toEqual([`${word} changed`]);
      await client.mutation("texts:remove", { id });
      expect(await bodies(run, word)).toEqual([]);
    }),
  );
});

test("P-T-3 a subscribed search is told of a new match, of a changed one and of one that is gone, and of nothing else", async () => {
  const run = freshRun();
  const [first] = await insert([{ run, body: "live one" }]);
  const live = new ConvexClient(backend.url, { skipConvexDeploymentUrlCheck: true, logger: false });
  try {
    const updates: string[][] = [];
    let wake: () => void = () => {};
    const search = { text: "live", eq: [["run", run]] };
    live.onUpdate(anyApi["texts"]?.["search"] as never, search as never, (notes: readonly Note[]) => {
      updates.push(notes.map(({ body }) => body));
      wake();
    });
    const until = async (expected: readonly string[]): Promise<void> => {
      while (JSON.stringify(updates.at(-1)) !== JSON.stringify(expected)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    await until(["live one"]);
    await insert([{ run, body: "dead two" }]);
    const [second] = await insert([{ run, body: "live live" }]);
    await until(["live live", "live one"]);
    await client.mutation("texts:patch", { id: first, fields: { body: "dead one" } });
    await until(["live live"]);
    await client.mutation("texts:patch", { id: first, fields: { body: "alive again and lively" } });
    await until(["live live", "alive again and lively"]);
    await client.mutation("texts:remove", { id: second });
    await until(["alive again and lively"]);
    // What does not match told nobody anything.
    expect(updates).toHaveLength(5);
  } finally {
    await live.close();
  }
});
