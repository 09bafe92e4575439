import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestBackend } from "../../support/backend.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Api, type Kind, startRuntimeApp } from "./api.ts";

let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  backend = await startRuntimeApp();
  api = new Api(backend);
});
afterAll(() => backend?.stop());

async function lines(kind: Kind, path: string, args: { [name: string]: number } = {}): Promise<readonly string[]> {
  const { status, logLines } = await api.call(kind, path, args);
  expect(status).toBe("success");
  return logLines;
}

const SOURCE = readFileSync(join(FIXTURES, "runtime-app/convex/printing.ts"), "utf8").split("\n");
const TRACE_LINE = SOURCE.findIndex((line) => line.includes('console.trace("traced")')) + 1;

describe.each<[Kind, string]>([
  ["query", "printing:inQuery"],
  ["mutation", "printing:inMutation"],
  ["action", "printing:inAction"],
])("of a %s", (kind, path) => {
  test("P-F-15 every method has its level and every value its form, and a trace its place in the source", async () => {
    expect(await lines(kind, path)).toEqual([
      "[LOG] 'text' 1 -0 1n true null undefined",
      "[INFO] 'it\\'s' {\n  a: 1,\n  b: 'x',\n  c: [\n    1,\n    'a',\n    {\n      d: 2\n    }\n  ]\n}",
      "[WARN] [ 1, 'a' ] Map (1) {\n  1 => 2\n} Set (1) {\n  'x'\n}",
      "[ERROR] [Error: boom] Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)",
      "[DEBUG] [Function (anonymous)] [Function: named] Symbol(s) shown by inspect {} []",
      "[LOG] ",
      "[LOG] '%s is not replaced' 'this'",
      `[LOG] 'traced'     at everything (../convex/printing.ts:${TRACE_LINE}:11)`,
    ]);
  });
});

test("P-F-15 timers", async () => {
  const printed = await lines("action", "printing:timers");
  expect(printed.map((line) => line.replace(/\d+ms/, "?ms"))).toEqual([
    "[WARN] Timer 'work' already exists",
    "[INFO] work: ?ms 'half' 1",
    "[INFO] work: ?ms",
    "[WARN] Timer 'work' does not exist",
    "[INFO] default: ?ms",
  ]);
});

test("P-F-15 there is no other method", async () => {
  expect(await api.error("query", "printing:table")).toMatch(/^Uncaught TypeError: console\.table is not a function\n/);
});

test.each<[Kind, string]>([
  ["query", "printing:many"],
  ["action", "printing:manyInAction"],
])("E-C-10 of a %s 256 lines are kept, the last of which says so", async (kind, path) => {
  expect(await lines(kind, path, { lines: 255 })).toHaveLength(255);
  const many = await lines(kind, path, { lines: 300 });
  expect(many).toHaveLength(256);
  expect(many.slice(0, 255)).toEqual(Array.from({ length: 255 }, (_, i) => `[LOG] ${i}`));
  expect(many[255]).toBe("[ERROR] Log overflow (maximum 256). Remaining log lines omitted.");
});

test("E-C-10 the error of a function that printed too much is still there", async () => {
  const { error, logLines } = await api.call("action", "printing:manyInAction", { lines: 1001 });
  expect(error).toMatch(/^Uncaught Error: after many lines\n/);
  expect(logLines).toHaveLength(256);
});

test("E-C-10 a long line is cut between characters and marked", async () => {
  const [line = ""] = await lines("query", "printing:long", { length: 20_000 });
  expect(line).toBe(`[LOG] '${"é".repeat(16_383)} (truncated due to length)`);
  expect(Buffer.byteLength(line.slice("[LOG] ".length, -" (truncated due to length)".length))).toBe(32_767);
});

describe("nested calls", () => {
  const OUTER = [
    "outer before",
    "inner first 1",
    "inner first 2",
    "outer between",
    "middle before",
    "inner nested 1",
    "inner nested 2",
    "middle after",
    "outer after",
    "inner parallel 1 1",
    "inner parallel 1 2",
    "inner parallel 2 1",
    "inner parallel 2 2",
    "failing",
    "outer caught",
    "outer end",
  ];

  test("EXE1 P-F-15 their lines stand where the call was made, those of failed calls too", async () => {
    // Several times: the order must not depend on which millisecond a line fell into.
    for (let i = 0; i < 5; i++) {
      expect(await lines("mutation", "printing:outer")).toEqual(OUTER.map((text) => `[LOG] '${text}'`));
    }
  });

  test("P-F-15 an action's callees keep their lines to themselves", async () => {
    expect(await lines("action", "printing:actionTree")).toEqual(["[LOG] 'action before'", "[LOG] 'action after'"]);
  });
});
