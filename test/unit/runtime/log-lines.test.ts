import { expect, test } from "vitest";
import type { LogLine } from "../../../src/protocol/invocation.ts";
import { mergeLines, withStacks } from "../../../src/runtime/functions/log-lines.ts";

function line(text: string, timestamp = 0): LogLine {
  return { level: "LOG", messages: [text], isTruncated: false, timestamp };
}

function texts(lines: readonly LogLine[]): string[] {
  return lines.flatMap(({ messages }) => messages);
}

test("EXE1 the lines of each nested call stand at the place of the call, whatever the clocks say", () => {
  const own = ["a", "b", "c"].map((text) => line(text, 5));
  const groups = [[line("first", 9)], [], [line("third 1", 1), line("third 2", 1)]];
  expect(texts(mergeLines(own, [1, 1, 3], groups))).toEqual(["a", "first", "b", "c", "third 1", "third 2"]);
  expect(texts(mergeLines(own, [0, 0, 0], groups))).toEqual(["first", "third 1", "third 2", "a", "b", "c"]);
});

test("EXE1 calls that never ran have no lines, and positions that cannot be are bounded", () => {
  const own = ["a", "b"].map((text) => line(text));
  expect(texts(mergeLines(own, [1, 2, 2], [[line("x")]]))).toEqual(["a", "x", "b"]);
  expect(texts(mergeLines(own, [2, 0, 99], [[line("x")], [line("y")], [line("z")]]))).toEqual([
    "a",
    "b",
    "x",
    "y",
    "z",
  ]);
  expect(texts(mergeLines(own, [], [[line("x")]]))).toEqual(["a", "b", "x"]);
});

test("EXE2 a trace ends with mapped frames, other lines stay", async () => {
  const traced = { ...line("'here'"), stack: "    at f (app/x.js:1:1)" };
  const mapped = await withStacks([line("'a'"), traced], { sourceMap: () => Promise.resolve(null) });
  expect(mapped).toEqual([line("'a'"), { ...line("'here'"), messages: ["'here'", ""] }]);
});
