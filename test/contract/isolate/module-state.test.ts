import { afterAll, beforeAll, expect, test } from "vitest";
import { type Call, IsolateFixture } from "./support.ts";

let isolate: IsolateFixture;
beforeAll(async () => {
  isolate = await IsolateFixture.start();
});
afterAll(() => isolate.dispose());

test.each(["query", "mutation"] as const)("ISO42 every %s finds its modules as they were written", async (kind) => {
  const name = kind === "query" ? "state:fromQuery" : "state:fromMutation";
  const values = [];
  for (const text of ["a", "b", "c"]) values.push(await isolate.value(kind, name, { name: text }));
  const drawn: unknown = values[0].drawn;
  expect(values).toEqual(["a", "b", "c"].map((text) => ({ calls: 1, draws: 1, seen: [text], drawn })));
});

test("ISO42 calls at the same time share nothing", async () => {
  const names = Array.from({ length: 20 }, (_, i) => `call${i}`);
  const calls = names.map((name): Call => ({ kind: "action", name: "state:fromAction", args: { name } }));
  const reports = await isolate.runAll(calls);
  expect(reports.map(({ value }) => value)).toEqual(
    names.map((name) => ({ first: { calls: 1, draws: 1, seen: [name], drawn: expect.any(Number) }, same: true })),
  );
});

test("CMP2 what calls at the same time assign to globals is their own", async () => {
  const names = Array.from({ length: 10 }, (_, i) => `call${i}`);
  const calls = names.map((name): Call => ({ kind: "action", name: "state:replaceGlobals", args: { name } }));
  const reports = await isolate.runAll(calls);
  expect(reports.map(({ value }) => value)).toEqual(
    names.map((name) => ({ begin: ["object", "object", 1], later: ["undefined", "undefined", name] })),
  );
});
