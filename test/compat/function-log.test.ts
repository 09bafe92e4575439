import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBackend, type TestBackend } from "../support/backend.ts";
import { AppCopy, spawnConvex } from "../support/convex-cli.ts";
import { FunctionLog, readLog, type WireEntry } from "../support/function-log.ts";
import { FIXTURES } from "../support/paths.ts";

/** `wire.md` §8.7, L1–L8, against a running backend. */

let backend: TestBackend;
let app: AppCopy;

beforeAll(async () => {
  app = new AppCopy(join(FIXTURES, "system-app"));
  backend = await startBackend({ app: app.path, env: { CONVECTION_LOG_HOLD_MS: "1500" } });
});

afterAll(async () => {
  await backend?.stop();
  app?.[Symbol.dispose]();
});

async function run(kind: "query" | "mutation" | "action", path: string, args: object = {}, requestId?: string) {
  const response = await fetch(`${backend.url}/api/${kind}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(requestId !== undefined && { "convex-request-id": requestId }) },
    body: JSON.stringify({ path, args, format: "json" }),
  });
  expect(response.status).toBe(200);
  const answer: { status: string; logLines?: string[]; errorMessage?: string } = await response.json();
  return answer;
}

function messages(entry: WireEntry): unknown {
  return (entry["logLines"] as { messages: string[] }[]).map((line) => line.messages.join(" "));
}

const isCompletion = (identifier: string) => (entry: WireEntry) =>
  entry.kind === "Completion" && entry.identifier === identifier;

describe("stream_function_logs", () => {
  test("LOG16 L1 a mutation's completion with structured lines, and what it read and wrote", async () => {
    const log = await FunctionLog.open(backend);
    await run("mutation", "messages:send", { channel: "L1", body: "hi" });
    const entry = await log.completion("messages:send");
    expect(entry).toMatchObject({
      udfType: "Mutation",
      componentPath: null,
      caller: "HttpApi",
      parentExecutionId: null,
      identityType: "unknown",
      environment: "isolate",
      error: null,
      success: null,
      cachedResult: false,
      willRetry: false,
      occInfo: null,
      requestId: expect.stringMatching(/^[0-9a-f]{16}$/),
      executionId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      logLines: [{ messages: ["'sending'", "'hi'"], level: "LOG", isTruncated: false, systemMetadata: null }],
      usageStats: { databaseWriteDocuments: 1, databaseReadDocuments: 0 },
    });
    expect(entry["usageStats"]).toMatchObject({ databaseWriteBytes: expect.any(Number) });
    expect(Number((entry["usageStats"] as { databaseWriteBytes: number }).databaseWriteBytes)).toBeGreaterThan(40);
    await run("query", "messages:list", { channel: "L1" });
    expect(await log.completion("messages:list")).toMatchObject({
      usageStats: { databaseReadDocuments: 1, databaseWriteDocuments: 0 },
    });
    const started = Number(entry["executionTimestamp"]);
    expect(Math.abs(started - Date.now() / 1000)).toBeLessThan(60);
    expect(Number(entry["timestamp"])).toBeGreaterThanOrEqual(started);
  });

  test("LOG4 L2 other clients get lines as text", async () => {
    const log = await FunctionLog.open(backend, "curl-1.0.0");
    await run("mutation", "messages:send", { channel: "L2", body: "hi" });
    expect(await log.completion("messages:send")).toMatchObject({ logLines: ["[LOG] 'sending' 'hi'"] });
  });

  test("LOG2 L3 a poll in which nothing happens is held, then ends empty with its cursor", async () => {
    const { cursor } = await FunctionLog.open(backend);
    const quiet = await readLog(backend, `stream_function_logs?cursor=${cursor + 60_000}`, "npm-cli-1.48.0");
    expect(quiet).toEqual({ entries: [], newCursor: cursor + 60_000 });
  });

  test("LOG3 L4 an action's lines come while it runs, one entry each, and not again with its completion", async () => {
    const log = await FunctionLog.open(backend);
    const action = run("action", "log:waits", { channel: "L4" });
    const waiting = await log.until((entry) => entry.identifier === "log:waits");
    expect(waiting.find((entry) => entry.identifier === "log:waits")).toMatchObject({
      kind: "Progress",
      udfType: "Action",
      logLines: [{ messages: ["'waiting'"] }],
    });
    await run("mutation", "messages:send", { channel: "L4", body: "go on" });
    expect(await action).toMatchObject({ logLines: ["[LOG] 'waiting'", "[LOG] 'seen'"] });
    const entries = (await log.until(isCompletion("log:waits"))).filter(({ identifier }) => identifier === "log:waits");
    expect(entries.map(({ kind }) => kind)).toEqual(["Progress", "Progress", "Completion"]);
    expect(entries.map(messages)).toEqual([["'waiting'"], ["'seen'"], []]);
    expect(new Set(entries.map((entry) => entry["executionId"])).size).toBe(1);
    const stream = `stream_udf_execution?cursor=${log.cursor - 60_000}`;
    for (const mount of ["", "app_metrics/"]) {
      const batch = await readLog(backend, mount + stream, "npm-cli-1.48.0");
      expect(batch.entries.filter(isCompletion("log:waits"))).toMatchObject([
        { kind: "Completion", logLines: ["[LOG] 'waiting'", "[LOG] 'seen'"] },
      ]);
      expect(batch.entries.every(({ kind }) => kind === "Completion")).toBe(true);
    }
  });

  test("P-F-18 LOG17 what an action calls are executions of their own, with one request id and their parents", async () => {
    const log = await FunctionLog.open(backend);
    await run("action", "log:tree", { channel: "tree" }, "tree-1");
    await log.until(isCompletion("log:tree"));
    const done = log.seen.filter(({ kind, requestId }) => kind === "Completion" && requestId === "tree-1");
    const names = (of: WireEntry | undefined) =>
      done
        .filter((entry) => entry["parentExecutionId"] === (of?.["executionId"] ?? null))
        .map(({ identifier }) => identifier)
        .toSorted();
    const root = done.find(isCompletion("log:tree"));
    const inner = done.find(isCompletion("log:innerAction"));
    expect(names(undefined)).toEqual(["log:tree"]);
    expect(names(root)).toEqual(["log:innerAction", "log:innerMutation", "log:innerQuery"]);
    expect(names(inner)).toEqual(["log:innerQuery"]);
    expect(done).toHaveLength(5);
    expect(root).toMatchObject({ caller: "HttpApi" });
    expect(done.filter((entry) => entry !== root).every((entry) => entry["caller"] === "Action")).toBe(true);
    // In one transaction with the mutation, so in its entry.
    const mutation = done.find(isCompletion("log:innerMutation"));
    expect(mutation?.["logLines"]).toContainEqual(
      expect.objectContaining({ messages: ["'in the query'"], udfPath: "log.js:innerQuery", componentPath: "" }),
    );
    expect(mutation?.["logLines"]).toContainEqual(expect.objectContaining({ messages: ["'in the mutation'"] }));
  });

  test("LOG17 lines of a component's mutation are in the entry of the mutation that called it", async () => {
    const log = await FunctionLog.open(backend);
    await run("mutation", "messages:count", { name: "n", n: 3 });
    const entry = await log.completion("messages:count");
    expect(entry["logLines"]).toContainEqual(
      expect.objectContaining({ messages: ["'adding'", "3"], componentPath: "counter", udfPath: "counts.js:add" }),
    );
    expect(log.seen.filter(({ identifier }) => identifier === "counts:add")).toEqual([]);
  });

  test("LOG7 L6 session and counter select the execution that one tab asked for", async () => {
    const session = "6ad4aaeb-8a8d-4cc8-9cd5-3ae4a2e1c1a1";
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${session}|3`));
    const requestId = Buffer.from(digest).toString("hex").slice(0, 16);
    const log = await FunctionLog.open(backend);
    const before = log.cursor;
    await run("mutation", "messages:send", { channel: "L6", body: "other" });
    await run("action", "log:tree", { channel: "L6" }, requestId);
    await log.until((entry) => isCompletion("log:tree")(entry) && entry.requestId === requestId);
    const query = `app_metrics/stream_function_logs?cursor=${before}&sessionId=${session}&clientRequestCounter=3`;
    const { entries } = await readLog(backend, query, "dashboard-0.0.0");
    expect(new Set(entries.map(({ identifier }) => identifier))).toEqual(new Set(["log:tree"]));
    expect(entries.map(({ kind }) => kind)).toEqual(["Progress", "Progress", "Completion"]);
    expect(entries.every((entry) => entry.requestId === requestId)).toBe(true);
  });

  test("LOG8 L7 no key and a bad key get nothing", async () => {
    const status = async (headers: Record<string, string>) =>
      (await fetch(`${backend.url}/api/stream_function_logs?cursor=0`, { headers })).status;
    expect(await status({})).toBe(403);
    expect(await status({ authorization: "Convex garbage" })).toBe(401);
  });

  test("LOG18 failures are there whole, unknown functions too", async () => {
    const log = await FunctionLog.open(backend);
    await run("query", "log:fails");
    const entry = await log.completion("log:fails");
    expect(entry["error"]).toMatch(/^Uncaught Error: it failed\n {4}at .*log\.ts:\d+/);
    expect(messages(entry)).toEqual(["'about to fail'"]);
    for (const kind of ["query", "mutation", "action"] as const) {
      await run(kind, `log:missing${kind}`);
      expect(await log.completion(`log:missing${kind}`)).toMatchObject({
        udfType: kind.slice(0, 1).toUpperCase() + kind.slice(1),
        error: `Could not find public function for 'log:missing${kind}'. Did you forget to run \`npx convex dev\`?`,
      });
    }
  });

  test("P-F-15 every console method prints with its level", async () => {
    const log = await FunctionLog.open(backend);
    await run("query", "log:levels");
    const entry = await log.completion("log:levels");
    expect((entry["logLines"] as { level: string }[]).map(({ level }) => level)).toEqual([
      "LOG",
      "INFO",
      "WARN",
      "ERROR",
      "DEBUG",
      "LOG",
      "INFO",
      "INFO",
    ]);
    expect((messages(entry) as string[])[0]).toBe("'hi' {\n  a: 1\n}");
  });

  test("E-C-10 300 lines are 256 lines, of which the last says that there were more", async () => {
    const log = await FunctionLog.open(backend);
    const overflow = "Log overflow (maximum 256). Remaining log lines omitted.";
    await run("query", "log:manyInQuery");
    const lines = messages(await log.completion("log:manyInQuery")) as string[];
    expect(lines).toHaveLength(256);
    expect(lines.slice(-2)).toEqual(["254", overflow]);
    await run("action", "log:manyInAction");
    await log.until(isCompletion("log:manyInAction"));
    const live = log.seen.filter(({ identifier, kind }) => identifier === "log:manyInAction" && kind === "Progress");
    expect(live).toHaveLength(256);
    expect(messages(live[255] as WireEntry)).toEqual([overflow]);
  });

  test("LOG19 hundreds of calls at once are all there", async () => {
    const log = await FunctionLog.open(backend);
    const calls = 400;
    await Promise.all(
      Array.from({ length: calls }, (_, i) => run("query", "messages:list", { channel: `${i}` }, `many-${i}`)),
    );
    const ids = () => new Set(log.seen.flatMap(({ requestId }) => (requestId.startsWith("many-") ? [requestId] : [])));
    await log.until(() => ids().size === calls);
  });
});

describe("the stock CLI", () => {
  test("P-I-1 L8 logs --history prints what was before and goes on with what comes", async () => {
    await run("mutation", "messages:send", { channel: "L8", body: "in the past" });
    const logs = spawnConvex(app.path, backend, ["logs", "--history", "10", "--success"]);
    try {
      await logs.until("stdout", /in the past/);
      await run("mutation", "messages:send", { channel: "L8", body: "just now" });
      await logs.until("stdout", /just now/);
      await logs.until("stdout", /M\(messages:send\).*Function executed in \d+ ms/);
    } finally {
      await logs.kill();
    }
  });
});
