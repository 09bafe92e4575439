import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { InMemoryLogBuffer } from "../../../src/http/log-buffer.ts";
import type { FunctionCompletion } from "../../../src/protocol/function-log.ts";
import { CodedError } from "../../../src/shared/coded-error.ts";
import { ADMIN, backend, READ_ONLY_KEY } from "./backend.ts";

const CALL = { path: "messages:list", args: {} };
const LINE = { level: "LOG" as const, messages: ["'hi'", "1"], isTruncated: false, timestamp: 1_795_169_862_100 };
const CLI = { ...ADMIN, "convex-client": "npm-cli-1.48.0" };

interface Batch {
  entries: Record<string, unknown>[];
  newCursor: number;
}

async function poll(request: ReturnType<typeof backend>["request"], query: string, headers = CLI): Promise<Batch> {
  const response = await request(`/api/stream_function_logs?${query}`, { headers });
  expect(response.status).toBe(200);
  return response.json();
}

describe("GET /api/stream_function_logs", () => {
  test("LOG1 cursor 0 is answered at once, with the head when there is no history", async () => {
    const { clock, request } = backend({ logHoldMs: 1_000_000 });
    expect(await poll(request, "cursor=0")).toEqual({ entries: [], newCursor: clock.time });
  });

  test("LOG1 cursor 0 is answered at once with everything still held", async () => {
    const { functions, post, request } = backend();
    functions.outcome = { ok: true, value: "null", logLines: [LINE] };
    await post("/api/query", CALL);
    await post("/api/mutation", CALL, ADMIN);
    const { entries, newCursor } = await poll(request, "cursor=0");
    expect(entries).toMatchObject([
      {
        kind: "Completion",
        udfType: "Query",
        identifier: "messages:list",
        componentPath: null,
        identityType: "unknown",
      },
      { kind: "Completion", udfType: "Mutation", identityType: "instance_admin" },
    ]);
    expect(entries[0]).toMatchObject({
      logLines: [{ ...LINE, systemMetadata: null }],
      timestamp: 1_795_169_862,
      executionTimestamp: 1_795_169_862,
      executionTime: 0,
      error: null,
      success: null,
      caller: "HttpApi",
      cachedResult: false,
      willRetry: false,
      parentExecutionId: null,
      environment: "isolate",
      requestId: expect.stringMatching(/^[0-9a-f]{16}$/),
      executionId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      usageStats: { databaseReadBytes: 0, memoryUsedMb: 0 },
    });
    expect(newCursor).toBeGreaterThan(1_795_169_862_000);
  });

  test("LOG2 a poll waits for the next execution and is not woken twice by the same", async () => {
    const { post, request } = backend({ logHoldMs: 1_000_000 });
    const { newCursor } = await poll(request, "cursor=0");
    const waiting = poll(request, `cursor=${newCursor}`);
    // The clock stands still: only the position tells the entries apart.
    await post("/api/query", CALL);
    const first = await waiting;
    expect(first.entries).toHaveLength(1);
    expect(first.newCursor).toBeGreaterThan(newCursor);
    const next = poll(request, `cursor=${first.newCursor}`);
    await post("/api/query", { path: "other:f", args: {} });
    expect((await next).entries).toMatchObject([{ identifier: "other:f" }]);
  });

  test("LOG2 a poll that nothing happened in ends empty with the same cursor", async () => {
    const { request } = backend({ logHoldMs: 5 });
    expect(await poll(request, "cursor=1795169862000.25")).toEqual({ entries: [], newCursor: 1_795_169_862_000.25 });
  });

  test("LOG3 the lines of an action come as progress and not again at its end", async () => {
    const { functions, post, request } = backend();
    functions.outcome = { ok: false, error: { message: "Uncaught Error: no\n" }, logLines: [LINE] };
    await post("/api/action", CALL);
    const { entries } = await poll(request, "cursor=0");
    expect(entries).toMatchObject([
      { kind: "Progress", udfType: "Action", identifier: "messages:list", logLines: [{ messages: ["'hi'", "1"] }] },
      { kind: "Completion", udfType: "Action", logLines: [], error: "Uncaught Error: no\n" },
    ]);
    expect(entries[0]?.["executionId"]).toBe(entries[1]?.["executionId"]);
    const executions = await request("/api/stream_udf_execution?cursor=0", { headers: ADMIN });
    expect(await executions.json()).toMatchObject({ entries: [{ kind: "Completion", logLines: ["[LOG] 'hi' 1"] }] });
  });

  test("LOG4 the CLI and the dashboard get structured lines, all others text", async () => {
    const { functions, post, request } = backend();
    functions.outcome = { ok: true, value: "null", logLines: [{ ...LINE, udfPath: "a.js:b", componentPath: "c" }] };
    await post("/api/query", CALL);
    const lines = async (client: string) =>
      (await poll(request, "cursor=0", { ...ADMIN, "convex-client": client })).entries[0]?.["logLines"];
    const structured = [{ ...LINE, systemMetadata: null, udfPath: "a.js:b", componentPath: "c" }];
    expect(await lines("npm-cli-1.48.0")).toEqual(structured);
    expect(await lines("dashboard-0.0.0")).toEqual(structured);
    expect(await lines("npm-1.48.0")).toEqual(["[LOG] 'hi' 1"]);
  });

  test("LOG5 P-F-17 the log keeps what production hides from callers", async () => {
    const { functions, post, request } = backend({ redactErrors: true });
    functions.outcome = { ok: false, error: { message: "Uncaught Error: boom\n" }, logLines: [LINE] };
    await post("/api/query", CALL);
    expect((await poll(request, "cursor=0")).entries).toMatchObject([
      { error: "Uncaught Error: boom\n", logLines: [{ messages: ["'hi'", "1"] }] },
    ]);
  });

  test("LOG6 a refused execution is logged with its reason, a bug of ours without its text", async () => {
    const { functions, post, request } = backend();
    functions.failure = new CodedError("Overloaded", "Overloaded", "Too many.");
    await post("/api/query", CALL);
    functions.failure = new Error("secret detail");
    await post("/api/query", CALL);
    const { entries } = await poll(request, "cursor=0");
    expect(entries.map((entry) => entry["error"])).toEqual(["Too many.", "InternalServerError"]);
  });

  test("P-F-18 LOG7 the dashboard filters by the request ids of its own session", async () => {
    const { post, request } = backend();
    const session = "6ad4aaeb-8a8d-4cc8-9cd5-3ae4a2e1c1a1";
    const requestId = createHash("sha256").update(`${session}|7`).digest("hex").slice(0, 16);
    await post("/api/query", CALL);
    await post("/api/query", { path: "mine:f", args: {} }, { "convex-request-id": requestId });
    const query = `cursor=0&sessionId=${session}&clientRequestCounter=7`;
    expect((await poll(request, query)).entries).toMatchObject([{ identifier: "mine:f", requestId }]);
    const mounted = await request(`/api/app_metrics/stream_function_logs?${query}`, { headers: ADMIN });
    expect(await mounted.json()).toMatchObject({ entries: [{ identifier: "mine:f" }] });
  });

  test("LOG8 logs are for admins, read-only ones included", async () => {
    const { request } = backend();
    const get = async (headers: Record<string, string>) =>
      (await request("/api/stream_function_logs?cursor=0", { headers })).status;
    expect(await get({})).toBe(403);
    expect(await get({ authorization: "Convex bad" })).toBe(401);
    expect(await get({ authorization: `Convex ${READ_ONLY_KEY}` })).toBe(200);
  });

  test.each(["", "cursor=", "cursor=x", "cursor=Infinity"])("LOG9 ?%s is no cursor", async (query) => {
    const response = await backend().request(`/api/stream_function_logs?${query}`, { headers: ADMIN });
    expect(response.status).toBe(400);
  });
});

const clock = { now: () => 1_795_169_862_000 };

function completion(identifier: string, text = ""): FunctionCompletion {
  return {
    udfType: "Query",
    componentPath: null,
    identifier,
    requestId: "0",
    executionId: "0",
    logLines: [{ ...LINE, messages: [text] }],
    startedAt: 0,
    duration: 0,
    error: null,
    caller: "HttpApi",
    parentExecutionId: null,
    identityType: "unknown",
    environment: "isolate",
  };
}

async function held(buffer: InMemoryLogBuffer): Promise<string[]> {
  const { entries } = await buffer.read({ cursor: 0, holdMs: 0 });
  return entries.map((entry) => (entry.kind === "Completion" ? entry.completion.identifier : "progress"));
}

describe("the buffer", () => {
  test("LOG10 holds the newest entries only", async () => {
    const buffer = new InMemoryLogBuffer(clock, { entries: 3, characters: 1000 });
    for (const name of ["a", "b", "c", "d"]) buffer.completed(completion(name));
    expect(await held(buffer)).toEqual(["b", "c", "d"]);
  });

  test("LOG10 holds a bounded amount of text", async () => {
    const buffer = new InMemoryLogBuffer(clock, { entries: 1000, characters: 100 });
    for (const name of ["a", "b", "c"]) buffer.completed(completion(name, "x".repeat(45)));
    expect(await held(buffer)).toEqual(["b", "c"]);
    buffer.completed(completion("d", "x".repeat(101)));
    expect(await held(buffer)).toEqual([]);
    buffer.completed(completion("e"));
    expect(await held(buffer)).toEqual(["e"]);
  });

  test("LOG11 cursors grow by entry though the clock stands still or runs back", async () => {
    let time = 1_795_169_862_000;
    const buffer = new InMemoryLogBuffer({ now: () => time });
    for (let i = 0; i < 100; i++) {
      time -= i % 3;
      buffer.completed(completion(String(i)));
    }
    const { entries } = await buffer.read({ cursor: 0, holdMs: 0 });
    const positions = entries.map((entry) => entry.position);
    expect(new Set(positions).size).toBe(100);
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    const middle = positions[49] ?? 0;
    expect((await buffer.read({ cursor: middle, holdMs: 0 })).entries).toHaveLength(50);
  });

  test("LOG12 an execution without lines makes no progress entry", async () => {
    const buffer = new InMemoryLogBuffer(clock);
    buffer.progress({ ...completion("a"), logLines: [] });
    expect(await held(buffer)).toEqual([]);
  });
});
