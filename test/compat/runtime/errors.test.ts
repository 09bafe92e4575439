import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { ConvexError } from "convex/values";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestBackend } from "../../support/backend.ts";
import { FunctionLog } from "../../support/function-log.ts";
import { FIXTURES } from "../../support/paths.ts";
import { Api, type Kind, newGroup, startRuntimeApp } from "./api.ts";

let backend: TestBackend;
let api: Api;

beforeAll(async () => {
  backend = await startRuntimeApp();
  api = new Api(backend);
});
afterAll(() => backend?.stop());

/** `../convex/<file>:<line>:<column>` of a text in a source of the fixture, counted from 1. */
function at(file: string, text: string, offset = 0): string {
  const lines = readFileSync(join(FIXTURES, "runtime-app/convex", file), "utf8").split("\n");
  const found = lines.flatMap((line, i) => (line.includes(text) ? [[i + 1, line.indexOf(text) + 1 + offset]] : []));
  if (found.length !== 1) throw new Error(`${file} has ${found.length} lines with ${text}`);
  return `../convex/${file}:${found[0]?.join(":")}`;
}

const THROW_DEEP = () => `    at throwDeep (${at("deep/thrower.ts", "throw new TypeError(reason)", 6)})\n`;

describe("stack traces name file, line and column of the sources", () => {
  test("P-F-17 in the function itself, with what it printed before", async () => {
    const { error, logLines } = await api.call("query", "errors:plain");
    expect(error).toBe(`Uncaught Error: plain\n    at handler (${at("errors.ts", 'throw new Error("plain")', 6)})\n`);
    expect(logLines).toEqual(["[LOG] 'before'"]);
  });

  test("P-F-17 in a function that has no name", async () => {
    expect(await api.error("query", "errors:nameless")).toBe(
      `Uncaught Error: nameless\n    at <anonymous> (${at("errors.ts", 'throw new Error("nameless")', 6)})\n`,
    );
  });

  test.each<[Kind, string, string, string]>([
    ["query", "errors:inHelper", "deep: helper", 'throwDeep("helper")'],
    ["mutation", "errors:inMutation", "deep: mutation", 'throwDeep("mutation")'],
  ])("P-F-17 of a %s in a helper of another file", async (kind, path, message, call) => {
    expect(await api.error(kind, path, path.endsWith("Mutation") ? { group: newGroup() } : {})).toBe(
      `Uncaught TypeError: ${message}\n${THROW_DEEP()}    at handler (${at("errors.ts", call)})\n`,
    );
  });

  test("P-F-17 through methods and asynchronous frames, of queries and of actions", async () => {
    const thrown = `    at Account.withdraw (${at("deep/thrower.ts", "throw new RangeError", 6)})\n    at Account.open (${at("deep/thrower.ts", "withdraw(amount);", 0)})\n`;
    expect(await api.error("query", "errors:inAsyncFrames")).toBe(
      `Uncaught RangeError: cannot withdraw 11\n${thrown}` +
        `    at async level2 (${at("errors.ts", "return await Account.open(11)", 7)})\n` +
        `    at async level1 (${at("errors.ts", "await level2(ctx)")})\n` +
        `    at async handler (${at("errors.ts", "return await level1(ctx)", 7)})\n`,
    );
    expect(await api.error("action", "errors:asyncInAction")).toBe(
      `Uncaught RangeError: cannot withdraw 12\n${thrown}    at async handler (${at("errors.ts", "await Account.open(12)")})\n`,
    );
  });

  test("P-F-17 the caller of a failed function reads its whole text, and its own frames follow", async () => {
    const inner = `Uncaught TypeError: deep: nested\n${THROW_DEEP()}    at handler (${at("errors.ts", 'throwDeep("nested")')})\n`;
    expect(await api.value("action", "errors:messageOfNested")).toBe(inner);
    const [fromMutation, fromAction] = [
      await api.error("mutation", "errors:nestedOuter"),
      await api.error("action", "errors:nestedFromAction"),
    ];
    for (const text of [fromMutation, fromAction]) {
      expect(text.startsWith(`Uncaught Error: ${inner}\n    at async handler (../convex/errors.ts:`)).toBe(true);
    }
  });

  test("P-F-17 of a rejection nobody waited for, which fails a mutation", async () => {
    const group = newGroup();
    expect(await api.error("mutation", "errors:stray", { group })).toBe(
      `Uncaught Error: stray\n    at handler (${at("errors.ts", 'new Error("stray")')})\n`,
    );
    expect(await api.value("query", "items:list", { group })).toEqual([]);
  });

  test.each([
    ["string", "Uncaught a string\n"],
    ["number", "Uncaught 42\n"],
    ["null", "Uncaught null\n"],
    ["undefined", "Uncaught undefined\n"],
    ["object", "Uncaught #<Object>\n"],
  ])("P-F-17 a thrown %s has V8's words and no frames", async (what, text) => {
    expect(await api.error("query", "errors:throwing", { what })).toBe(text);
  });

  test.each([
    ["noMessage", "Uncaught TypeError"],
    ["named", "Uncaught Custom: named"],
    ["cause", "Uncaught Error: outer"],
    ["aggregate", "Uncaught AggregateError: several"],
    ["frozen", "Uncaught Error: frozen"],
  ])("P-F-17 an error of any make is shown: %s", async (what, head) => {
    const text = await api.error("query", "errors:throwing", { what });
    expect(text.split("\n")[0]).toBe(head);
    expect(text).toContain(`(${at("errors.ts", `  ${what}: () =>`).replace(/:\d+$/, ":")}`);
  });

  test("P-F-17 a message is cut at 64 KiB and keeps its frames", async () => {
    const text = await api.error("query", "errors:throwing", { what: "long" });
    expect(text.split("\n")[0]).toHaveLength(65_536);
    expect(text).toMatch(/\n {4}at handler \(\.\.\/convex\/errors\.ts:\d+:\d+\)\n$/);
  });
});

describe("ConvexError", () => {
  const data = { code: 9007199254740993n, list: [1n, null, "é"], zero: -0, bytes: new Uint8Array([1, 2]).buffer };

  test("P-F-16 its data passes a query, a mutation and two actions to the client", async () => {
    const { error, errorData } = await api.call("action", "errors:threeLevels");
    expect(errorData).toStrictEqual(data);
    expect(error).toMatch(/^(Uncaught ConvexError: ){4}\{"code":"9007199254740993n"/);
    expect(error?.match(/ {4}at (async )?handler \(\.\.\/convex\/errors\.ts:\d+:\d+\)\n/g)).toHaveLength(4);
  });

  test("P-F-16 a caller on the way catches a ConvexError with the data", async () => {
    expect(await api.value("action", "errors:threeLevelsCaught")).toStrictEqual({
      data,
      name: "ConvexError",
      doubled: 18014398509481986n,
    });
  });

  test("P-F-16 the official client throws it", async () => {
    const client = new ConvexHttpClient(backend.url, { skipConvexDeploymentUrlCheck: true, logger: false });
    const failed = client.action(makeFunctionReference<"action">("errors:threeLevels"), {});
    await expect(failed).rejects.toBeInstanceOf(ConvexError);
    await expect(failed).rejects.toMatchObject({ data });
  });

  test.each([
    ["string", "just text", "Uncaught ConvexError: just text\n"],
    ["null", null, "Uncaught ConvexError: null\n"],
    ["special", { special: true }, 'Uncaught Special: {"special":true}\n'],
  ])("P-F-16 any value is data: %s", async (what, value, text) => {
    const { error, errorData } = await api.call("query", "errors:dataOf", { what });
    expect(errorData).toEqual(value);
    expect(error?.startsWith(text)).toBe(true);
  });
});

describe("request ids", () => {
  test("P-F-18 each call has one of its own, which its error shows", async () => {
    const [a, b] = [await api.call("query", "errors:plain"), await api.call("action", "errors:nestedFromAction")];
    expect(a.requestId).toMatch(/^[0-9a-f]{16}$/);
    expect(b.requestId).toMatch(/^[0-9a-f]{16}$/);
    expect(a.requestId).not.toBe(b.requestId);
    // One, that of the client's call: those it made in turn add none.
    expect(b.error).not.toContain("Request ID");
  });

  test("P-F-18 a client's own is taken, if it looks like one, and nested calls have the same", async () => {
    const sent = { "convex-request-id": "00000000deadbeef" };
    expect((await api.call("mutation", "errors:nestedOuter", {}, sent)).requestId).toBe("00000000deadbeef");
    const { value } = await api.call("action", "metadata:inAction", {}, sent);
    expect([value.request, value.nested.request, value.nestedAction].map(({ requestId }) => requestId)).toEqual(
      Array.from({ length: 3 }, () => "00000000deadbeef"),
    );
    const other = await api.call("query", "errors:plain", {}, { "convex-request-id": "not one" });
    expect(other.requestId).toMatch(/^[0-9a-f]{16}$/);
  });
});

describe("in production", () => {
  let redacting: TestBackend;
  let client: Api;
  beforeAll(async () => {
    redacting = await startRuntimeApp({ env: { CONVECTION_REDACT_ERRORS: "true" } });
    client = new Api(redacting);
  });
  afterAll(() => redacting?.stop());

  test.each<[Kind, string]>([
    ["query", "errors:plain"],
    ["mutation", "errors:nestedOuter"],
    ["action", "errors:nestedFromAction"],
    ["query", "kinds:iq"],
    ["query", "values:returnBad"],
  ])("P-F-17 a client learns of a failed %s its request id alone: %s", async (kind, path) => {
    expect(await client.call(kind, path)).toEqual({
      http: 200,
      status: "error",
      error: "",
      requestId: expect.stringMatching(/^[0-9a-f]{16}$/),
      logLines: [],
    });
  });

  test("P-F-17 an action learns no more of what fails below it: the data of a ConvexError, no text", async () => {
    expect((await client.call("action", "errors:messageOfNested")).value).toBe("Server Error");
    expect((await client.call("action", "errors:threeLevelsCaught")).value).toMatchObject({
      data: { code: 9007199254740993n },
    });
  });

  test("P-F-17 the data of a ConvexError and results go out as ever, without log lines", async () => {
    const { error, errorData } = await client.call("action", "errors:threeLevels");
    expect([error, errorData.code]).toEqual(["", 9007199254740993n]);
    expect(await client.call("query", "printing:many", { lines: 2 })).toEqual({
      http: 200,
      status: "success",
      value: null,
      logLines: [],
    });
  });

  test("P-F-17 an admin sees everything", async () => {
    const answer = await client.call("query", "errors:plain", {}, client.asAdmin());
    expect(answer.error).toMatch(/^Uncaught Error: plain\n {4}at handler /);
    expect(answer.logLines).toEqual(["[LOG] 'before'"]);
  });

  test("P-F-17 the function log keeps the whole text", async () => {
    const log = await FunctionLog.open(redacting);
    const { requestId } = await client.call("query", "errors:inHelper");
    const entries = await log.until((entry) => entry.requestId === requestId);
    expect(entries.find((entry) => entry.requestId === requestId)?.["error"]).toBe(
      `Uncaught TypeError: deep: helper\n${THROW_DEEP()}    at handler (${at("errors.ts", 'throwDeep("helper")')})\n`,
    );
  });
});
