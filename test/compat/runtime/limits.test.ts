import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestBackend } from "../../support/backend.ts";
import { Api, newGroup, startRuntimeApp } from "./api.ts";
import { HeldServer } from "../../support/held-server.ts";

describe("by default", () => {
  let backend: TestBackend;
  let api: Api;
  /** Turns of a busy loop in a millisecond. */
  let turns: number;

  beforeAll(async () => {
    backend = await startRuntimeApp();
    api = new Api(backend);
    turns = await api.value("action", "limits:calibrate");
  });
  afterAll(() => backend?.stop());

  test("E-C-3 a query that computes for seconds fails, and the next one runs", async () => {
    expect(await api.error("query", "limits:spinQuery", { turns: turns * 4000 })).toBe(
      "Function execution timed out (maximum duration: 1s)\n",
    );
    expect(await api.value("query", "kinds:q")).toBe("query");
  });

  test("E-C-3 a mutation too, and nothing it wrote is there", async () => {
    const group = newGroup();
    expect(await api.error("mutation", "limits:spinMutation", { turns: turns * 4000, group })).toBe(
      "Function execution timed out (maximum duration: 1s)\n",
    );
    expect(await api.value("query", "items:list", { group })).toEqual([]);
  });

  test("E-C-5 a greedy action fails alone, while another goes on", async () => {
    await using outside = await HeldServer.start();
    const modest = api.value("action", "limits:allocateAndFetch", { megabytes: 40, url: outside.url("/modest") });
    await outside.asked("/modest");
    const text = "JavaScript execution ran out of memory (maximum memory usage: 64 MB)\n";
    expect(await api.error("action", "limits:allocate", { megabytes: 200 })).toBe(text);
    expect(await api.error("query", "limits:allocateInQuery", { megabytes: 200 })).toBe(text);
    outside.answer("/modest", "done");
    expect(await modest).toEqual({ kept: 40, answer: "done" });
  });

  test("E-C-6 a thousand operations of one action wait at once, the next one is refused and the action goes on", async () => {
    expect(await api.value("action", "limits:manyOperations", { count: 1001 })).toEqual({
      fulfilled: 1000,
      error:
        "Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information.",
    });
  });

  test.each([
    ["limits:unawaited", "3 unawaited operations: [actions/query, actions/query, fetch]"],
    ["limits:oneUnawaited", "1 unawaited operation: [actions/query]"],
  ])("E-C-8 operations that an action left behind are named: %s", async (path, what) => {
    const { value, logLines } = await api.call("action", path, path.endsWith(":unawaited") ? { group: "x" } : {});
    expect(value).toBe("left");
    expect(logLines).toEqual([
      `[WARN] ${what}. Async operations should be awaited or they might not run. ` +
        "See https://docs.convex.dev/functions/actions#dangling-promises for more information.",
    ]);
  });

  test("ISO27 a function that waits for nothing fails", async () => {
    expect(await api.error("query", "limits:never")).toBe("Returned promise will never resolve\n");
    expect(await api.error("action", "limits:neverInAction")).toBe("Returned promise will never resolve\n");
  });
});

describe("when their settings were changed", () => {
  let backend: TestBackend;
  let api: Api;

  beforeAll(async () => {
    backend = await startRuntimeApp({
      env: {
        CONVECTION_ACTION_TIMEOUT_MS: "1500",
        CONVECTION_USER_TIME_MS: "200",
        CONVECTION_MEMORY_BYTES: String(32 * 1024 * 1024),
        CONVECTION_CONCURRENT_OPERATIONS: "5",
        CONVECTION_NESTING_DEPTH: "3",
        CONVECTION_LOG_LINES: "10",
        CONVECTION_ARGS_BYTES: "1000",
        CONVECTION_RETURN_BYTES: "2000",
        CONVECTION_TRANSACTION_DOCUMENTS_WRITTEN: "4",
        CONVECTION_TRANSACTION_DOCUMENTS_READ: "3",
      },
    });
    api = new Api(backend);
  });
  afterAll(() => backend?.stop());

  test("E-C-1 EXE5 an action is cut at its limit", async () => {
    const started = Date.now();
    expect(await api.error("action", "limits:sleep", { ms: 600_000 })).toBe(
      "Function execution timed out (maximum duration: 1.5s) [CONVECTION_ACTION_TIMEOUT_MS=1500]\n",
    );
    expect(Date.now() - started).toBeGreaterThanOrEqual(1500);
    expect(await api.value("action", "limits:sleep", { ms: 1 })).toBe("awake");
  });

  test("EXE5 every error of a limit ends with the name and value of its setting", async () => {
    const group = newGroup();
    const turns = await api.value("action", "limits:calibrate");
    const errors = {
      time: await api.error("query", "limits:spinQuery", { turns: turns * 1000 }),
      memory: await api.error("action", "limits:allocate", { megabytes: 40 }),
      operations: (await api.value("action", "limits:manyOperations", { count: 6 })).error,
      depth: (await api.error("query", "nested:recurse", { depth: 4 })).split("\n")[0],
      arguments: await api.error("query", "values:echo", { value: "x".repeat(1000) }),
      result: await api.error("query", "values:big", { bytes: 2000 }),
      written: (await api.error("mutation", "items:addMany", { group, count: 5 })).split("\n")[0],
    };
    await api.value("mutation", "items:addMany", { group, count: 4 });
    const read = (await api.error("query", "items:list", { group })).split("\n")[0];
    const [overflow] = (await api.call("query", "printing:many", { lines: 20 })).logLines.slice(-1);
    expect({ ...errors, read, overflow }).toEqual({
      time: "Function execution timed out (maximum duration: 0.2s) [CONVECTION_USER_TIME_MS=200]\n",
      memory:
        "JavaScript execution ran out of memory (maximum memory usage: 32 MB) [CONVECTION_MEMORY_BYTES=33554432]\n",
      operations:
        "Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information. [CONVECTION_CONCURRENT_OPERATIONS=5]",
      depth: expect.stringMatching(
        /Cross component call depth limit exceeded\. Do you have an infinite loop in your app\? \[CONVECTION_NESTING_DEPTH=3\]$/,
      ),
      arguments:
        "Arguments for values.js:echo are too large (actual: 1014 B, limit: 1000 B) [CONVECTION_ARGS_BYTES=1000]\n",
      result:
        "Function values.js:big return value is too large (actual: 1.96 KiB, limit: 1.95 KiB) [CONVECTION_RETURN_BYTES=2000]\n",
      written:
        "Uncaught Error: Too many writes in a single function execution (limit: 4) [CONVECTION_TRANSACTION_DOCUMENTS_WRITTEN=4]",
      read: expect.stringMatching(
        /^Uncaught Error: Too many documents read in a single function execution \(limit: 3\)\. Consider .* \[CONVECTION_TRANSACTION_DOCUMENTS_READ=3\]$/,
      ),
      overflow: "[ERROR] Log overflow (maximum 10). Remaining log lines omitted. [CONVECTION_LOG_LINES=10]",
    });
  });
});

test("E-C-4 a query that waits for the database too long fails as a whole", async () => {
  await using backend = await startRuntimeApp({
    // From memory, all of it would take less.
    env: { CONVECTION_SYSCALL_TIME_MS: "100", CONVECTION_ROW_CACHE_BYTES: "0" },
  });
  const api = new Api(backend);
  const answer = await api.call("query", "items:readOften", { group: "x", times: 4000 }, api.asAdmin());
  expect(answer.error).toBe(
    "Your request timed out performing too many system operations. [CONVECTION_SYSCALL_TIME_MS=100]\n",
  );
});

describe("turns", () => {
  let backend: TestBackend;
  let api: Api;

  beforeAll(async () => {
    backend = await startRuntimeApp({
      env: {
        CONVECTION_CONCURRENT_QUERIES: "0",
        CONVECTION_CONCURRENT_MUTATIONS: "0",
        CONVECTION_CONCURRENT_ACTIONS: "1",
        CONVECTION_FUNCTION_QUEUE_MS: "50",
        CONVECTION_ACTION_QUEUE_MS: "3000",
      },
    });
    api = new Api(backend);
  });
  afterAll(() => backend?.stop());

  const refused = (n: number, kind: string, setting: string) =>
    `Too many concurrent requests. Your backend is limited to ${n} concurrent ${kind}. [${setting}=${n}]`;
  const QUERIES = refused(0, "queries", "CONVECTION_CONCURRENT_QUERIES");
  const MUTATIONS = refused(0, "mutations", "CONVECTION_CONCURRENT_MUTATIONS");
  const ACTIONS = refused(1, "actions", "CONVECTION_CONCURRENT_ACTIONS");

  test("E-C-7 an action beyond the limit is refused when it waited too long, and runs when it did not", async () => {
    await using outside = await HeldServer.start();
    const first = api.value("action", "limits:fetchText", { url: outside.url("/first") });
    await outside.asked("/first");
    expect(await api.call("action", "kinds:a")).toEqual({
      http: 429,
      code: "TooManyConcurrentRequests",
      message: ACTIONS,
      logLines: [],
    });
    const waiting = api.value("action", "kinds:a");
    outside.answer("/first", "done");
    expect([await first, await waiting]).toEqual(["done", "action"]);
  });

  test("E-C-7 queries and mutations are refused with their own text", async () => {
    expect(await api.call("query", "kinds:q")).toMatchObject({ http: 429, message: QUERIES });
    expect(await api.call("mutation", "kinds:m")).toMatchObject({ http: 429, message: MUTATIONS });
  });

  test("E-C-7 inside an action the refusal is an error like any other; its queries need no turn", async () => {
    expect(await api.value("action", "limits:errorsOfCalls")).toEqual({
      query: null,
      mutation: MUTATIONS,
      action: ACTIONS,
    });
  });
});
