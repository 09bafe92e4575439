import { afterAll, beforeAll, expect, test } from "vitest";
import { codePackage, type CodePackage } from "../support/node-service/code-package.ts";
import { NodeService } from "../support/node-service/node-service.ts";

const SOURCE = `"use node";
import { actionGeneric, anyApi } from "convex/server";
export const query = actionGeneric((ctx) => ctx.runQuery(anyApi.m.q, {}));
export const mutation = actionGeneric((ctx) => ctx.runMutation(anyApi.m.w, {}));
export const action = actionGeneric((ctx) => ctx.runAction(anyApi.m.a, {}));
export const schedule = actionGeneric((ctx) => ctx.scheduler.runAfter(0, anyApi.m.a, {}));
export const caught = actionGeneric(async (ctx) => { try { await ctx.runMutation(anyApi.m.w, {}); } catch (error) { return [error.constructor.name, error.message, error.data ?? null]; } });
export const file = actionGeneric(async (ctx) => {
  const id = await ctx.storage.store(new Blob(["hello"], { type: "text/x" }), { sha256: "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=" });
  const back = await ctx.storage.get(id);
  return [id, await back.text(), back.type, await ctx.storage.get("gone"), await ctx.storage.get("null")];
});
`;

let service: NodeService;
let code: CodePackage;

beforeAll(async () => {
  code = await codePackage({ main: SOURCE });
  service = await NodeService.start();
});

afterAll(() => service.close());

function call(name: string) {
  return { function: name, package: code };
}

/** Answers in turn; the last one for ever. */
function answers(...list: ("drop" | { status: number } | { result: unknown })[]): void {
  service.worker.syscalls.length = 0;
  service.worker.onSyscall = () => (list.length > 1 ? list.shift() : list[0]) ?? "drop";
}

test.for(["query", "mutation"])("E-C-15 a %s is tried again after a 5xx or a broken connection", async (name) => {
  answers({ status: 503 }, "drop", { status: 500 }, { result: 7 });
  expect(await service.value(call(name))).toBe(7);
  expect(service.worker.syscalls).toHaveLength(4);
  const ids = new Set(service.worker.syscalls.map(({ idempotency }) => JSON.stringify(idempotency)));
  expect(ids.size).toBe(1);
});

test("E-C-15 a query is given up after five attempts", async () => {
  answers("drop");
  expect((await service.failure(call("query"))).message).toMatch(
    /^Transient network error running query \((ECONNRESET|UND_ERR_SOCKET), 5 attempts\)$/,
  );
  expect(service.worker.syscalls).toHaveLength(5);
  answers({ status: 503 });
  expect((await service.failure(call("query"))).message).toBe("Transient error while running query: HTTP status 503");
  expect(service.worker.syscalls).toHaveLength(5);
});

test.for(["action", "schedule"])("S0-43 an %s that may have been seen is tried once", async (name) => {
  for (const answer of ["drop", { status: 503 }] as const) {
    answers(answer, { result: 1 });
    expect((await service.failure(call(name))).message).toMatch(/^Transient /);
    expect(service.worker.syscalls).toHaveLength(1);
  }
});

test("S0-43 an action is tried again while nobody listens", async () => {
  const request = service.request(call("action"));
  const unheard = { ...request, callback: { ...request.callback, url: "http://127.0.0.1:1/api/node/syscall" } };
  const outcome = await service.outcome(await service.post("/execute", unheard));
  expect(outcome).toMatchObject({
    result: { error: { message: "Transient network error running action (ECONNREFUSED, 5 attempts)" } },
  });
});

test("E-C-15 a 4xx is not tried again", async () => {
  answers({ status: 401 }, { result: 1 });
  expect((await service.failure(call("query"))).message).toBe("Invalid query request: HTTP status 401");
  expect(service.worker.syscalls).toHaveLength(1);
});

test("S0-44 what the called function throws is caught, data and all", async () => {
  service.worker.onSyscall = () => ({ message: "Uncaught ConvexError: x", data: '{"n":{"$integer":"AQAAAAAAAAA="}}' });
  expect(await service.value(call("caught"))).toMatchObject([
    "ConvexError",
    "Uncaught ConvexError: x",
    { n: { $integer: "AQAAAAAAAAA=" } },
  ]);
  service.worker.onSyscall = () => ({ message: "Uncaught Error: y" });
  expect(await service.value(call("caught"))).toEqual(["Error", "Uncaught Error: y", null]);
});

test("NODE13 files go to an upload URL and come from a serving URL", async () => {
  service.worker.onSyscall = ({ op, args }) => {
    if (op === "1.0/storageGenerateUploadUrl") return { result: `${service.worker.url}/files/id1` };
    const { storageId } = JSON.parse(args) as { storageId: string };
    return { result: storageId === "null" ? null : `${service.worker.url}/files/${storageId}` };
  };
  expect(await service.value(call("file"))).toEqual(["id1", "hello", "text/x", null, null]);
  expect(service.worker.files.get("id1")?.digest).toBe("sha-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
});
