import { afterAll, beforeAll, expect, test } from "vitest";
import { IsolateFixture } from "./support.ts";

let isolate: IsolateFixture;
beforeAll(async () => {
  isolate = await IsolateFixture.start();
});
afterAll(() => isolate.dispose());

async function lines(name: string, args: unknown = {}): Promise<[string, readonly string[]][]> {
  const report = await isolate.run("query", name, args);
  expect(report.ok).toBe(true);
  return report.resultLogs.map(({ level, messages }) => [level, messages]);
}

test("P-F-15 each method has its level and strings are quoted", async () => {
  expect(await lines("console:levels")).toEqual([
    ["DEBUG", ["'a'"]],
    ["INFO", ["'b'"]],
    ["LOG", ["'c'"]],
    ["WARN", ["'d'"]],
    ["ERROR", ["'e'"]],
  ]);
});

test("P-F-15 values are rendered by object-inspect with indentation", async () => {
  expect(await lines("console:values")).toEqual([
    ["LOG", ["'it\\'s'", "1", "-0", "5n", "null", "undefined", "true", "Symbol(s)"]],
    ["LOG", ["{\n  a: 1,\n  b: 'x'\n}", "[ 1, 'a' ]", "Map (1) {\n  1 => 2\n}", "Set (1) {\n  1\n}"]],
    [
      "LOG",
      [
        "[Error: boom]",
        "[Function: named]",
        "[Function (anonymous)]",
        String(new Date(0)).replace(/GMT.*/, "GMT+0000 (Coordinated Universal Time)"),
      ],
    ],
    ["LOG", ["custom", "'%s'", "'x'"]],
  ]);
});

test("P-F-15 trace brings the stack of its caller", async () => {
  const { resultLogs } = await isolate.run("query", "console:trace", {});
  expect(resultLogs).toMatchObject([
    { level: "LOG", messages: ["'here'", "1"], stack: expect.stringMatching(/^ {4}at .*app\/console\.js/) },
  ]);
});

test("P-F-15 timers report labels that exist and warn of the others", async () => {
  const printed = await lines("console:timers");
  expect(printed.map(([level, messages]) => [level, messages.map((text) => text.replace(/\d+ms/, "?ms"))])).toEqual([
    ["WARN", ["Timer 'default' already exists"]],
    ["INFO", ["default: ?ms", "{\n  x: 1\n}"]],
    ["INFO", ["default: ?ms"]],
    ["WARN", ["Timer 'gone' does not exist"]],
    ["WARN", ["Timer 'gone' does not exist"]],
  ]);
});

test("P-F-15 other console methods do not exist", async () => {
  const { error } = await isolate.run("query", "console:missing");
  expect(error).toMatchObject({ name: "TypeError", message: "console.table is not a function" });
});

test("E-C-10 line 256 says that the log is full", async () => {
  const all = await lines("console:overflow", { lines: 255 });
  expect(all).toHaveLength(255);
  const full = await lines("console:overflow", { lines: 300 });
  expect(full).toHaveLength(256);
  expect(full[254]).toEqual(["LOG", ["254"]]);
  expect(full[255]).toEqual(["ERROR", ["Log overflow (maximum 256). Remaining log lines omitted."]]);
});

test("E-C-10 the notice that the log is full is whole, however short lines may be", async () => {
  const options = { limits: { logLineBytes: 10 } };
  const { resultLogs } = await isolate.run("query", "console:overflow", { lines: 300 }, options);
  expect(resultLogs.at(-1)?.messages).toEqual(["Log overflow (maximum 256). Remaining log lines omitted."]);
});

test.each([
  ["x", 40_000],
  ["é", 20_000],
  ["😀", 10_000],
])("ISO10 a line of %s is cut at 32768 bytes over its messages", async (character, length) => {
  const report = await isolate.run("query", "console:long", { character, length });
  const [line] = report.resultLogs;
  expect(line?.isTruncated).toBe(true);
  expect(line?.messages).toHaveLength(2);
  const bytes = Buffer.byteLength(line?.messages.join("") ?? "");
  expect(bytes).toBeLessThanOrEqual(32_768);
  expect(bytes).toBeGreaterThan(32_768 - 4);
  expect(line?.messages[1]).not.toContain("\ufffd");
});

test("P-F-15 lines of an action are delivered as they are printed, each once", async () => {
  const report = await isolate.run("action", "console:streaming");
  const all = [...(report.logs as { level: string; messages: string[] }[]), ...report.resultLogs];
  expect(all.map(({ level, messages }) => [level, ...messages])).toEqual([
    ["LOG", "'one'"],
    ["LOG", "'two'"],
    ["WARN", "'three'"],
  ]);
  expect(report.logs.length).toBeGreaterThanOrEqual(2);
});
