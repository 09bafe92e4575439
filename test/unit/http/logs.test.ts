import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { FunctionCompletion } from "../../../src/protocol/function-log.ts";
import { ADMIN, backend, READ_ONLY_KEY } from "./backend.ts";

const LINE = { level: "LOG" as const, messages: ["'hi'", "1"], isTruncated: false, timestamp: 1_795_169_862_100 };
const CLI = { ...ADMIN, "convex-client": "npm-cli-1.48.0" };
const STARTED = 1_795_169_862_000;

interface Batch {
  entries: Record<string, unknown>[];
  newCursor: number;
}

function completion(changes: Partial<FunctionCompletion> = {}): { kind: "Completion"; completion: FunctionCompletion } {
  return {
    kind: "Completion",
    completion: {
      udfType: "Query",
      componentPath: null,
      identifier: "messages:list",
      requestId: "0123456789abcdef",
      executionId: "6ad4aaeb-8a8d-4cc8-9cd5-3ae4a2e1c1a1",
      parentExecutionId: null,
      logLines: [],
      startedAt: STARTED,
      duration: 12,
      error: null,
      caller: "HttpApi",
      identityType: "unknown",
      environment: "isolate",
      ...changes,
    },
  };
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
    const { logs, request } = backend();
    logs.append([
      completion({ logLines: [LINE] }),
      completion({ udfType: "Mutation", identityType: "instance_admin" }),
    ]);
    const { entries, newCursor } = await poll(request, "cursor=0");
    expect(entries).toMatchObject([{ udfType: "Query" }, { udfType: "Mutation", identityType: "instance_admin" }]);
    expect(newCursor).toBeGreaterThan(STARTED);
  });

  test("LOG13 a completion has every field of the contract, absent ones in their empty form", async () => {
    const { logs, request } = backend();
    const usage = { databaseReadBytes: 100, databaseReadDocuments: 2 };
    logs.append([completion({ logLines: [LINE], usage, returnBytes: 4 })]);
    const { entries } = await poll(request, "cursor=0");
    expect(entries).toEqual([
      {
        kind: "Completion",
        udfType: "Query",
        componentPath: null,
        identifier: "messages:list",
        requestId: "0123456789abcdef",
        executionId: "6ad4aaeb-8a8d-4cc8-9cd5-3ae4a2e1c1a1",
        parentExecutionId: null,
        logLines: [{ ...LINE, systemMetadata: null }],
        timestamp: 1_795_169_862.012,
        executionTimestamp: 1_795_169_862,
        executionTime: 0.012,
        userExecutionTime: null,
        cachedResult: false,
        caller: "HttpApi",
        success: null,
        error: null,
        usageStats: {
          databaseReadBytes: 100,
          databaseWriteBytes: 0,
          databaseIoReadBytes: 0,
          databaseIoWriteBytes: 0,
          databaseReadDocuments: 2,
          databaseWriteDocuments: 0,
          databaseWriteIndexRows: 0,
          storageReadBytes: 0,
          storageWriteBytes: 0,
          vectorIndexReadBytes: 0,
          vectorIndexWriteBytes: 0,
          textIndexQueryBytes: 0,
          textIndexWriteQueryBytes: 0,
          vectorIndexReadQueryBytes: 0,
          vectorIndexWriteQueryBytes: 0,
          networkEgressBytes: 0,
          memoryUsedMb: 0,
        },
        returnBytes: 4,
        occInfo: null,
        willRetry: false,
        identityType: "unknown",
        environment: "isolate",
      },
    ]);
  });

  test("LOG2 a poll waits for the next execution and is not woken twice by the same", async () => {
    const { logs, request } = backend({ logHoldMs: 1_000_000 });
    const { newCursor } = await poll(request, "cursor=0");
    const waiting = poll(request, `cursor=${newCursor}`);
    // The clock stands still: only the position tells the entries apart.
    logs.append([completion()]);
    const first = await waiting;
    expect(first.entries).toHaveLength(1);
    expect(first.newCursor).toBeGreaterThan(newCursor);
    const next = poll(request, `cursor=${first.newCursor}`);
    logs.append([completion({ identifier: "other:f" })]);
    expect((await next).entries).toMatchObject([{ identifier: "other:f" }]);
  });

  test("LOG2 a poll that nothing happened in ends empty with the same cursor", async () => {
    const { request } = backend({ logHoldMs: 5 });
    expect(await poll(request, "cursor=1795169862000.25")).toEqual({ entries: [], newCursor: 1_795_169_862_000.25 });
  });

  test("LOG3 the lines of an action come as progress and not again at its end", async () => {
    const { logs, request } = backend();
    const ended = completion({ udfType: "Action", logLines: [LINE], error: "Uncaught Error: no\n" });
    logs.append([{ kind: "Progress", progress: ended.completion }, ended]);
    const { entries } = await poll(request, "cursor=0");
    expect(entries).toMatchObject([
      { kind: "Progress", udfType: "Action", identifier: "messages:list", logLines: [{ messages: ["'hi'", "1"] }] },
      { kind: "Completion", udfType: "Action", logLines: [], error: "Uncaught Error: no\n" },
    ]);
    expect(Object.keys(entries[0] ?? {}).toSorted()).toEqual(
      [
        "kind",
        "udfType",
        "componentPath",
        "identifier",
        "timestamp",
        "logLines",
        "requestId",
        "executionId",
      ].toSorted(),
    );
    for (const mount of ["/api", "/api/app_metrics"]) {
      const executions = await request(`${mount}/stream_udf_execution?cursor=0`, { headers: CLI });
      expect(await executions.json()).toMatchObject({ entries: [{ kind: "Completion", logLines: ["[LOG] 'hi' 1"] }] });
    }
  });

  test("LOG4 the CLI and the dashboard get structured lines, all others text", async () => {
    const { logs, request } = backend();
    logs.append([completion({ logLines: [{ ...LINE, udfPath: "a.js:b", componentPath: "c" }] })]);
    const lines = async (client: string) =>
      (await poll(request, "cursor=0", { ...ADMIN, "convex-client": client })).entries[0]?.["logLines"];
    const structured = [{ ...LINE, systemMetadata: null, udfPath: "a.js:b", componentPath: "c" }];
    expect(await lines("npm-cli-1.48.0")).toEqual(structured);
    expect(await lines("dashboard-0.0.0")).toEqual(structured);
    expect(await lines("npm-1.48.0")).toEqual(["[LOG] 'hi' 1"]);
  });

  test("P-F-18 LOG7 the dashboard filters by the request ids of its own session, what those called left out", async () => {
    const { logs, request } = backend();
    const session = "6ad4aaeb-8a8d-4cc8-9cd5-3ae4a2e1c1a1";
    const requestId = createHash("sha256").update(`${session}|7`).digest("hex").slice(0, 16);
    const nested = completion({ identifier: "nested:f", requestId, parentExecutionId: "x", logLines: [LINE] });
    logs.append([
      completion({ identifier: "other:f" }),
      { kind: "Progress", progress: nested.completion },
      nested,
      completion({ identifier: "mine:f", requestId }),
    ]);
    const query = `cursor=0&sessionId=${session}&clientRequestCounter=7`;
    expect((await poll(request, query)).entries).toMatchObject([{ identifier: "mine:f", requestId }]);
    const mounted = await request(`/api/app_metrics/stream_function_logs?${query}`, { headers: ADMIN });
    expect(await mounted.json()).toMatchObject({ entries: [{ identifier: "mine:f" }] });
  });

  test("LOG8 logs are for admins, read-only ones included", async () => {
    const { request } = backend();
    for (const mount of ["/api", "/api/app_metrics"]) {
      for (const stream of ["stream_function_logs", "stream_udf_execution"]) {
        const get = async (headers: Record<string, string>) =>
          (await request(`${mount}/${stream}?cursor=0`, { headers })).status;
        expect(await get({})).toBe(403);
        expect(await get({ authorization: "Convex bad" })).toBe(401);
        expect(await get({ authorization: `Convex ${READ_ONLY_KEY}` })).toBe(200);
      }
    }
  });

  test.each(["", "cursor=", "cursor=x", "cursor=Infinity"])("LOG9 ?%s is no cursor", async (query) => {
    const response = await backend().request(`/api/stream_function_logs?${query}`, { headers: ADMIN });
    expect(response.status).toBe(400);
  });
});
