import { afterAll, beforeAll, expect, test } from "vitest";
import { codePackage, type CodePackage } from "../support/node-service/code-package.ts";
import { NodeService, printed } from "../support/node-service/node-service.ts";

const SOURCE = `"use node";
import { createHash } from "node:crypto";
import { actionGeneric, queryGeneric, anyApi, mutationGeneric } from "convex/server";
import { ConvexError } from "convex/values";
let calls = 0;
export const digest = actionGeneric(async (_ctx, { text }) => createHash("sha256").update(text).digest("hex"));
export const environment = actionGeneric(async () => ({ keys: Object.keys(process.env).sort(), value: process.env.VALUE, version: process.version, cwd: process.cwd() }));
export const calling = actionGeneric(async (ctx, { n }) => [await ctx.runQuery(anyApi.m.q, { n }), await ctx.runMutation(anyApi.m.w, { n }), await ctx.runAction(anyApi.m.a, {})]);
export const print = actionGeneric(async () => { console.log("a", { b: [1, "c"] }); console.warn(1n); console.error(new Error("x").message); });
export const count = actionGeneric(async () => ++calls);
export const throwing = actionGeneric(async () => { throw new TypeError("broken"); });
export const stack = actionGeneric(async () => new TypeError("seen").stack);
export const timed = actionGeneric(async () => { console.time("t"); console.time("t"); console.timeLog("t", "half"); console.timeEnd("t"); console.timeEnd("t"); });
export const convexError = actionGeneric(async () => { throw new ConvexError({ code: 1n }); });
export const query = queryGeneric(async () => 1);
`;

let service: NodeService;
let code: CodePackage;

beforeAll(async () => {
  code = await codePackage({ main: SOURCE });
  service = await NodeService.start();
});

afterAll(() => service.close());

test("S0-27 an action runs in Node with its built-ins", async () => {
  const args = { text: "hello" };
  expect(await service.value({ function: "digest", package: code, args })).toBe(
    "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
  );
});

test("S0-27 queries, mutations and actions are called back with the token of the execution", async () => {
  service.worker.syscalls.length = 0;
  service.worker.onSyscall = ({ op }) => ({ result: op });
  const executionId = "execution-1";
  const values = await service.value({ function: "calling", package: code, args: { n: 1 }, executionId });
  expect(values).toEqual(["1.0/actions/query", "1.0/actions/mutation", "1.0/actions/action"]);
  expect(service.worker.syscalls.map(({ token, idempotency }) => [token, idempotency])).toEqual([
    ["sealed", undefined],
    ["sealed", { sessionId: executionId, requestId: "1" }],
    ["sealed", undefined],
  ]);
  expect(JSON.parse(service.worker.syscalls[0]?.args ?? "")).toMatchObject({
    name: "m:q",
    args: { n: 1 },
    requestId: executionId,
  });
});

test("P-E-5 process.env holds the deployment's variables and six of the host's", async () => {
  const found = await service.value({
    function: "environment",
    package: code,
    variables: { VALUE: "v", CONVEX_CLOUD_URL: "u" },
  });
  const { keys, value, version } = found as Record<string, unknown>;
  expect(keys).toEqual(["CONVEX_CLOUD_URL", "LANG", "PATH", "PWD", "TZ", "VALUE"]);
  expect(value).toBe("v");
  expect(version).toBe(process.version);
});

test("S0-27 lines are streamed between started and the result", async () => {
  const outcome = await service.execute({ function: "print", package: code });
  expect(printed(outcome)).toEqual(["[LOG] 'a' { b: [ 1, 'c' ] }", "[WARN] 1n", "[ERROR] 'x'"]);
  if (outcome.kind === "refused") throw new Error("refused");
  expect(outcome.events.map(({ kind }) => kind)).toEqual(["started", "log", "log", "log", "result"]);
});

test("S0-47 module state lasts while package and environment stay the same", async () => {
  const counts: unknown[] = [];
  for (let i = 0; i < 3; i++)
    counts.push(await service.value({ function: "count", package: code, variables: { A: "1" } }));
  expect(counts).toEqual([1, 2, 3]);
  expect(await service.value({ function: "count", package: code, variables: { A: "2" } })).toBe(1);
});

test("S0-44 what is thrown reaches the caller, frames by module path", async () => {
  const error = await service.failure({ function: "throwing", package: code });
  expect(error).toMatchObject({ name: "TypeError", message: "broken" });
  expect(error.stack).toMatch(/^ +at .*\(?main\.js:\d+:\d+\)?$/m);
  expect(error.stack).not.toContain(service.directory);
  expect(await service.failure({ function: "convexError", package: code })).toMatchObject({
    name: "ConvexError",
    data: '{"code":{"$integer":"AQAAAAAAAAA="}}',
  });
});

test("S0-44 a stack that user code reads names modules as Convex does, and no place of this machine", async () => {
  const stack = String(await service.value({ function: "stack", package: code }));
  expect(stack).toMatch(/^TypeError: seen\n {4}at .*\(?convex:\/user\/main\.js:\d+:\d+\)?\n/);
  expect(stack).not.toMatch(/file:|\/modules\//);
  expect(stack).not.toContain(service.directory);
});

test("P-F-15 the texts of timers are rendered like everything else that is printed", async () => {
  const lines = printed(await service.execute({ function: "timed", package: code }));
  expect(lines.map((line) => line.replace(/\d+ms/, "0ms"))).toEqual([
    `[WARN] "Timer 't' already exists"`,
    "[INFO] 't: 0ms' 'half'",
    "[INFO] 't: 0ms'",
    `[WARN] "Timer 't' does not exist"`,
  ]);
});

test("E-A-2b a module, an export or an action that is not there", async () => {
  expect(await service.failure({ function: "x", module: "gone.js", package: code })).toMatchObject({
    message: "Couldn't find module source for gone.js",
    whole: true,
  });
  expect((await service.failure({ function: "gone", package: code })).message).toBe(
    "Couldn't find action `gone` in `main.js`",
  );
  expect((await service.failure({ function: "query", package: code })).message).toBe(
    "`query` wasn't registered as a Convex action in `main.js`",
  );
});
