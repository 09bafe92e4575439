import { describe, expect, test } from "vitest";
import { LogBuffer } from "../../../src/logs/log-buffer.ts";
import { appendText, parseAppend } from "../../../src/logs/messages.ts";
import type { FunctionCompletion, LogRecord } from "../../../src/protocol/function-log.ts";

const clock = { now: () => 1_795_169_862_000 };

function completion(identifier: string, text = ""): FunctionCompletion {
  return {
    udfType: "Query",
    componentPath: null,
    identifier,
    requestId: "0",
    executionId: "0",
    parentExecutionId: null,
    logLines: [{ level: "LOG", messages: [text], isTruncated: false, timestamp: 0 }],
    startedAt: 0,
    duration: 0,
    error: null,
    caller: "HttpApi",
    identityType: "unknown",
    environment: "isolate",
  };
}

function ended(identifier: string, text?: string): LogRecord {
  return { kind: "Completion", completion: completion(identifier, text) };
}

async function held(buffer: LogBuffer): Promise<string[]> {
  const { entries } = await buffer.read({ cursor: 0, holdMs: 0 });
  return entries.map((entry) => (entry.kind === "Completion" ? entry.completion.identifier : "progress"));
}

describe("the buffer", () => {
  test("LOG10 holds the newest completions only, and no progress older than those", async () => {
    const buffer = new LogBuffer(clock, { completions: 3, characters: 100_000 });
    buffer.append([{ kind: "Progress", progress: completion("p") }]);
    for (const name of ["a", "b", "c"]) buffer.append([ended(name)]);
    expect(await held(buffer)).toEqual(["progress", "a", "b", "c"]);
    buffer.append([{ kind: "Progress", progress: completion("p") }, ended("d")]);
    expect(await held(buffer)).toEqual(["b", "c", "progress", "d"]);
  });

  test("LOG10 holds a bounded amount of text", async () => {
    const buffer = new LogBuffer(clock, { completions: 1000, characters: 10_000 });
    for (const name of ["a", "b", "c"]) buffer.append([ended(name, "x".repeat(4000))]);
    expect(await held(buffer)).toEqual(["b", "c"]);
    buffer.append([ended("d", "x".repeat(10_001))]);
    expect(await held(buffer)).toEqual([]);
    buffer.append([ended("e")]);
    expect(await held(buffer)).toEqual(["e"]);
  });

  test("LOG10 records that nobody has read yet are bounded too, and read like all others", async () => {
    const buffer = new LogBuffer(clock, { completions: 3, characters: 100_000 });
    buffer.append([ended("first")]);
    const add = (...names: string[]) => buffer.appendText(parseAppend(appendText(names.map((name) => ended(name)))));
    add("a", "b");
    expect(await held(buffer)).toEqual(["first", "a", "b"]);
    add("c");
    add("d", "e");
    buffer.append([ended("f")]);
    expect(await held(buffer)).toEqual(["d", "e", "f"]);
    for (let i = 0; i < 1000; i++) add(`${i}`);
    expect(await held(buffer)).toEqual(["997", "998", "999"]);
    const { entries, newCursor } = await buffer.read({ cursor: 0, holdMs: 0 });
    const waiting = buffer.read({ cursor: newCursor, holdMs: 10_000 });
    add("last", "of all");
    const positions = [...entries, ...(await waiting).entries].map(({ position }) => position);
    expect(positions).toHaveLength(5);
    expect(positions).toEqual([...new Set(positions)].toSorted((a, b) => a - b));
  });

  test("LOG11 cursors grow by entry though the clock stands still or runs back", async () => {
    let time = 1_795_169_862_000;
    const buffer = new LogBuffer({ now: () => time });
    for (let i = 0; i < 100; i++) {
      time -= i % 3;
      buffer.append([ended(String(i))]);
    }
    const { entries } = await buffer.read({ cursor: 0, holdMs: 0 });
    const positions = entries.map((entry) => entry.position);
    expect(new Set(positions).size).toBe(100);
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    const middle = positions[49] ?? 0;
    expect((await buffer.read({ cursor: middle, holdMs: 0 })).entries).toHaveLength(50);
  });

  test("LOG12 an execution without lines makes no progress entry", async () => {
    const buffer = new LogBuffer(clock);
    buffer.append([{ kind: "Progress", progress: { ...completion("a"), logLines: [] } }]);
    expect(await held(buffer)).toEqual([]);
  });

  test("LOG2 an entry that the filter leaves out does not end a poll", async () => {
    const buffer = new LogBuffer(clock);
    const poll = buffer.read({ cursor: 1, holdMs: 1_000_000, only: { completions: true } });
    buffer.append([{ kind: "Progress", progress: completion("p") }]);
    buffer.append([ended("a")]);
    expect((await poll).entries).toMatchObject([{ completion: { identifier: "a" } }]);
  });
});
