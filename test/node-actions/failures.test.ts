import { afterAll, beforeAll, expect, test } from "vitest";
import { codePackage, type CodePackage } from "../support/node-service/code-package.ts";
import { MIB, NodeService, printed } from "../support/node-service/node-service.ts";

const SOURCE = `"use node";
import { actionGeneric, anyApi } from "convex/server";
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let left;
export const fine = actionGeneric(async () => "fine");
export const pid = actionGeneric(async () => process.pid);
export const exit = actionGeneric(async (_ctx, { code }) => { process.exit(code ?? undefined); });
export const exitCaught = actionGeneric(async () => { try { process.exit(3); } catch { await sleep(60_000); } });
export const abort = actionGeneric(async () => process.abort());
export const killed = actionGeneric(async () => { process.kill(process.pid, "SIGSEGV"); await sleep(60_000); });
export const stray = actionGeneric(async () => { void Promise.reject(new RangeError("left alone")); return 1; });
export const strayLater = actionGeneric(async () => { void sleep(5).then(() => { throw new RangeError("left alone later"); }); await sleep(10_000); });
export const uncaught = actionGeneric(async () => { setTimeout(() => { throw new SyntaxError("in a timer"); }, 1); await sleep(10_000); });
export const heap = actionGeneric(async () => { const kept = []; for (;;) kept.push(new Array(1000).fill(Math.random())); });
export const buffers = actionGeneric(async () => { const kept = []; for (;;) { kept.push(Buffer.alloc(16 * 1024 * 1024, 1)); await sleep(1); } });
export const loop = actionGeneric(async () => { console.log("before"); for (;;); });
export const slow = actionGeneric(async () => { await sleep(60_000); });
const whenNextRuns = (work) => { const timer = setInterval(() => { if (!globalThis.nextRuns) return; clearInterval(timer); work(); }, 5); };
export const leaveRejection = actionGeneric(async () => { whenNextRuns(() => { void Promise.reject(new Error("of the first call")); }); return process.pid; });
export const leaveException = actionGeneric(async () => { whenNextRuns(() => { throw new Error("of the first call"); }); return process.pid; });
export const leaveExit = actionGeneric(async () => { whenNextRuns(() => { process.exit(1); }); return process.pid; });
export const leaveLine = actionGeneric(async () => { whenNextRuns(() => { console.log("of the first call"); }); return process.pid; });
export const wait = actionGeneric(async (_ctx, { ms }) => { globalThis.nextRuns = true; await sleep(ms); console.log("of the second call"); return process.pid; });
export const outstanding = actionGeneric(async (ctx) => { void ctx.runMutation(anyApi.m.never, {}); return 1; });
export const keep = actionGeneric(async (ctx) => { left = ctx; return 1; });
export const useLeft = actionGeneric(async () => { await left.runQuery(anyApi.m.q, {}); });
export const many = actionGeneric(async (ctx, { n }) => (await Promise.all(Array.from({ length: n }, (_, i) => ctx.runQuery(anyApi.m.q, { i })))).length);
export const logs = actionGeneric(async (_ctx, { n, size }) => { for (let i = 0; i < n; i++) console.log("x".repeat(size)); });
export const database = actionGeneric(async () => { await Convex.asyncSyscall("1.0/get", "{}"); });
export const databaseSync = actionGeneric(async () => { Convex.syscall("1.0/db/normalizeId", "{}"); });
export const scheduler = actionGeneric(async () => { await Convex.asyncSyscall("1.0/schedule", "{}"); });
export const unknown = actionGeneric(async (_ctx, { how }) => { await Convex[how]("1.0/nothing", "{}"); });
export const metrics = actionGeneric(async () => { await Convex.asyncSyscall("1.0/getTransactionMetrics", "{}"); });
export const large = actionGeneric(async () => "x".repeat(2000));
export const local = actionGeneric(async (ctx) => [await ctx.auth.getUserIdentity(), await ctx.meta.getFunctionMetadata()]);
`;

let service: NodeService;
let code: CodePackage;

beforeAll(async () => {
  code = await codePackage({ main: SOURCE });
  service = await NodeService.start();
});

afterAll(() => service.close());

async function failure(name: string, call: Partial<Parameters<NodeService["failure"]>[0]> = {}) {
  return service.failure({ function: name, package: code, ...call });
}

function value(name: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
  return service.value({ function: name, package: code, args });
}

test.for([
  ["exit", { code: 7 }, "process.exit", "process.exit() called with exit code 7"],
  ["exit", {}, "process.exit", "process.exit() called with no exit code"],
  ["exitCaught", {}, "process.exit", "process.exit() called with exit code 3"],
  ["abort", {}, "process.exit", "process.abort() called"],
  ["stray", {}, "RangeError", "left alone"],
  ["strayLater", {}, "RangeError", "left alone later"],
  ["uncaught", {}, "SyntaxError", "uncaughtException: in a timer"],
  ["killed", {}, "", "The Node.js process of this action ended unexpectedly (signal SIGSEGV)."],
] as const)("E-C-9c %s %o ends that call and no other", async ([name, args, errorName, message]) => {
  const other = value("wait", { ms: 300 });
  expect(await failure(name, { args })).toMatchObject({ name: errorName, message });
  await other;
  expect(await value("fine")).toBe("fine");
});

test.for(["heap", "buffers"])("E-C-5 %s beyond the limit ends that call", { timeout: 60_000 }, async (name) => {
  const limits = { memoryBytes: 64 * MIB, notes: { memoryBytes: " [NOTE]" } };
  const other = value("wait", { ms: 500 });
  expect(await failure(name, { limits })).toEqual({
    name: "",
    message: "JavaScript execution ran out of memory (maximum memory usage: 64 MB) [NOTE]",
    whole: true,
  });
  await other;
});

test("E-C-2 an action over time is told its name and limit", async () => {
  const error = await failure("slow", { limits: { timeoutMs: 200, notes: { timeoutMs: " [NOTE]" } } });
  expect(error).toMatchObject({
    message: "Action `slow` execution timed out (maximum duration 0.2s) [NOTE]",
    whole: true,
  });
});

test("E-C-2 an endless loop is ended from outside, its lines are not lost", async () => {
  const outcome = await service.execute({ function: "loop", package: code, limits: { timeoutMs: 200 } });
  expect(outcome).toMatchObject({
    kind: "result",
    result: {
      ok: false,
      error: {
        message:
          "Function execution unexpectedly timed out. Check your function for infinite loops or other long-running operations.",
      },
    },
  });
  expect(printed(outcome)).toEqual(["[LOG] 'before'"]);
});

test.for(["leaveRejection", "leaveException", "leaveExit", "leaveLine"])(
  "S0-46 what a finished call left behind does not touch the next one in the same process: %s",
  async (name) => {
    const variables = { TEST: name };
    const first = await service.execute({ function: name, package: code, variables, executionId: name });
    const second = await service.execute({ function: "wait", package: code, args: { ms: 300 }, variables });
    expect(second).toMatchObject({ kind: "result", result: { ok: true } });
    expect(second.kind === "result" && first.kind === "result" && second.result).toEqual(
      first.kind === "result" ? first.result : undefined,
    );
    expect(printed(second)).toEqual(["[LOG] 'of the second call'"]);
    if (name !== "leaveLine") {
      await service.spawned.until("stderr", new RegExp(`left something behind.*"executionId":"${name}"`));
    }
  },
);

test("E-C-9 operations that nobody awaited are named in the log", async () => {
  service.worker.onSyscall = () => new Promise(() => undefined);
  const outcome = await service.execute({ function: "outstanding", package: code });
  expect(outcome).toMatchObject({ kind: "result", result: { ok: true, value: "1" } });
  expect(printed(outcome)).toEqual([
    "[WARN] 'You have an outstanding mutation call. Operations should be awaited or they might not run. " +
      "Not awaiting promises might result in unexpected failures. " +
      "See https://docs.convex.dev/functions/actions#dangling-promises for more information.'",
  ]);
});

test("E-C-9b the ctx of an earlier call is refused", async () => {
  await value("keep");
  const error = await failure("useLeft");
  expect(error.message).toBe(
    "Leftover state detected. This typically happens if there are dangling promises from a previous request. " +
      "Did you forget to await your promises?",
  );
});

test("E-C-6 1000 operations at once resolve, the next one is refused", async () => {
  service.worker.onSyscall = () => ({ result: 1 });
  expect(await value("many", { n: 1000 })).toBe(1000);
  expect((await failure("many", { args: { n: 1001 } })).message).toBe(
    "Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information.",
  );
});

test("E-C-10 lines and characters beyond the limits are dropped with one notice", async () => {
  const lines = await service.execute({ function: "logs", package: code, args: { n: 300, size: 1 } });
  expect(printed(lines)).toHaveLength(256);
  expect(printed(lines).at(-1)).toBe("[ERROR] Log overflow (maximum 256). Remaining log lines omitted.");
  const characters = await service.execute({ function: "logs", package: code, args: { n: 40, size: 30_000 } });
  expect(printed(characters)).toHaveLength(35);
  expect(printed(characters).at(-1)).toBe("[ERROR] Log overflow (maximum 1M characters). Remaining log lines omitted.");
});

test("E-C-10 a line longer than the limit is cut and says so, over all its messages", async () => {
  const lines = await service.execute({
    function: "logs",
    package: code,
    args: { n: 1, size: 200 },
    limits: { logLineBytes: 50 },
  });
  if (lines.kind === "refused") throw new Error(JSON.stringify(lines));
  const [line] = lines.events.flatMap((event) => (event.kind === "log" ? event.lines : []));
  expect(line?.isTruncated).toBe(true);
  expect(line?.messages.join("")).toHaveLength(50);
});

test("E-A-13 E-A-14 what only queries and mutations may do", async () => {
  const database =
    "The Convex database object is being used outside of a Convex query or mutation. " +
    "Did you mean to use `ctx.query` or `ctx.mutation` to access the database?";
  expect((await failure("database")).message).toBe(database);
  expect((await failure("databaseSync")).message).toBe(database);
  expect((await failure("scheduler")).message).toBe(
    "The mutation scheduler is being used outside of a Convex mutation. " +
      "Did you mean to use `ctx.mutation` to access the database?",
  );
  for (const how of ["syscall", "asyncSyscall", "jsSyscall"]) {
    expect((await failure("unknown", { args: { how } })).message).toBe("Unknown operation 1.0/nothing");
  }
  expect((await failure("metrics")).message).toContain("Unknown async operation");
});

test("E-F-7 a return value that is too large does not leave the process", async () => {
  expect((await failure("large", { limits: { returnBytes: 1000 } })).message).toBe(
    "Function main.js:large return value is too large (actual: 2002 B, limit: 1000 B)",
  );
});

test("NODE1 what the request answers itself makes no round trip", async () => {
  const localAnswers = {
    "1.0/getUserIdentity": '{"subject":"s"}',
    "1.0/getFunctionMetadata": '{"name":"main:local","componentPath":""}',
  };
  expect(await service.value({ function: "local", package: code, localAnswers })).toEqual([
    { subject: "s" },
    { name: "main:local", componentPath: "", type: "action", visibility: "public" },
  ]);
  expect(service.worker.syscalls.filter(({ op }) => op in localAnswers)).toEqual([]);
});
