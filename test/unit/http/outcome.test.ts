import { describe, expect, test } from "vitest";
import type { FunctionLogLine, FunctionOutcome } from "../../../src/protocol/execution.ts";
import { ADMIN, backend, READ_ONLY_KEY } from "./backend.ts";

const CALL = { path: "messages:fail", args: {} };
const ID = "0101010101010101";

function line(level: FunctionLogLine["level"], ...messages: string[]): FunctionLogLine {
  return { level, messages, isTruncated: false, timestamp: 0 };
}

const FAILURE: FunctionOutcome = {
  ok: false,
  error: { message: "Uncaught Error: boom\n    at handler (../convex/messages.ts:3:9)\n" },
  logLines: [line("LOG", "'secret'")],
};

async function run(
  outcome: FunctionOutcome,
  redactErrors: boolean,
  headers?: Record<string, string>,
): Promise<unknown> {
  const { functions, post } = backend({ redactErrors });
  functions.outcome = outcome;
  const response = await post("/api/mutation", CALL, headers);
  expect(response.status).toBe(200);
  return response.json();
}

describe("failures", () => {
  test("P-F-17 in development the caller sees message and frames, every line ended", async () => {
    expect(await run(FAILURE, false)).toEqual({
      status: "error",
      errorMessage: `[Request ID: ${ID}] Server Error\nUncaught Error: boom\n    at handler (../convex/messages.ts:3:9)\n`,
      logLines: ["[LOG] 'secret'"],
    });
  });

  test("P-F-17 H10 a message without a newline gets one", async () => {
    const message = "Could not find public function for 'messages:nope'.";
    const body = await run({ ok: false, error: { message }, logLines: [] }, false);
    expect(body).toEqual({ status: "error", errorMessage: `[Request ID: ${ID}] Server Error\n${message}\n` });
  });

  test("P-F-17 H18 in production the caller sees the request id and nothing else", async () => {
    expect(await run(FAILURE, true)).toEqual({ status: "error", errorMessage: `[Request ID: ${ID}] Server Error` });
  });

  test("P-F-17 H18 in production errorData still goes out", async () => {
    const outcome: FunctionOutcome = {
      ok: false,
      error: { message: "Uncaught ConvexError", data: `{"code":1}` },
      logLines: [],
    };
    expect(await run(outcome, true)).toEqual({
      status: "error",
      errorMessage: `[Request ID: ${ID}] Server Error`,
      errorData: { code: 1 },
    });
  });

  test("P-F-17 in production an admin sees everything", async () => {
    for (const headers of [ADMIN, { authorization: `Convex ${READ_ONLY_KEY}` }]) {
      const { functions, post } = backend({ redactErrors: true });
      functions.outcome = FAILURE;
      const body = await (await post("/api/query", CALL, headers)).json();
      expect(body).toMatchObject({ errorMessage: expect.stringContaining("boom"), logLines: ["[LOG] 'secret'"] });
    }
  });

  test("P-R-9 H15 H16 errorData is there when a ConvexError was thrown, be it null", async () => {
    const withData = (data: string) => run({ ok: false, error: { message: "m", data }, logLines: [] }, false);
    expect(await withData(`{"code":1}`)).toHaveProperty("errorData", { code: 1 });
    expect(await withData("null")).toHaveProperty("errorData", null);
    expect(await withData(`{"$integer":"AQAAAAAAAAA="}`)).toHaveProperty("errorData", "1");
    expect(await run(FAILURE, false)).not.toHaveProperty("errorData");
  });
});

describe("log lines", () => {
  const logLines = [
    line("LOG", "'a'", "1"),
    line("DEBUG", "{ a: 1 }"),
    line("INFO"),
    line("WARN", "x"),
    { ...line("ERROR", "long"), isTruncated: true },
  ];

  test("P-R-9 H17 one text per console call, level first", async () => {
    const body = await run({ ok: true, value: "null", logLines }, false);
    expect(body).toEqual({
      status: "success",
      value: null,
      logLines: ["[LOG] 'a' 1", "[DEBUG] { a: 1 }", "[INFO] ", "[WARN] x", "[ERROR] long (truncated due to length)"],
    });
  });

  test("P-F-17 in production they stay here", async () => {
    expect(await run({ ok: true, value: "1", logLines }, true)).toEqual({ status: "success", value: 1 });
  });

  test("P-R-9 H1 none, no key", async () => {
    expect(await run({ ok: true, value: "1", logLines: [] }, false)).toEqual({ status: "success", value: 1 });
  });
});
