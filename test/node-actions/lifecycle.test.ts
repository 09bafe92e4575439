import { afterEach, beforeEach, expect, test } from "vitest";
import { codePackage, type CodePackage } from "../support/node-service/code-package.ts";
import { eventsOf, NodeService } from "../support/node-service/node-service.ts";

const SOURCE = `"use node";
import { actionGeneric, anyApi } from "convex/server";
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const effect = actionGeneric(async (ctx, { n }) => { await ctx.runMutation(anyApi.m.effect, { n }); await ctx.runQuery(anyApi.m.hold, {}); return n; });
export const pid = actionGeneric(async () => process.pid);
export const loop = actionGeneric(async () => { console.log(process.pid); for (;;); });
`;

let service: NodeService;
let code: CodePackage;
/** Lets what waits in \`m:hold\` go on. */
let letGo: () => void;

beforeEach(async () => {
  code = await codePackage({ main: SOURCE });
  service = await NodeService.start({ CONVECTION_NODE_EXECUTIONS: "30" });
  const { promise, resolve } = Promise.withResolvers<void>();
  letGo = resolve;
  service.worker.onSyscall = async ({ args }) => {
    if (args.includes("m:hold")) await promise;
    return { result: null };
  };
});

afterEach(() => service.close());

function effects(): number[] {
  return service.worker.syscalls
    .filter(({ args }) => args.includes("m:effect"))
    .map(({ args }) => (JSON.parse(args) as { args: { n: number } }).args.n);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("S0-43 a service killed in the middle of 20 actions: each effect happened at most once, the next call works", async () => {
  const calls = Array.from({ length: 20 }, (_, n) =>
    service.execute({ function: "effect", package: code, args: { n }, executionId: `killed-${n}` }),
  );
  const settled = Promise.all(calls.map((call) => call.catch(() => ({ kind: "broken" as const, events: [] }))));
  await until(() => effects().length >= 10);
  service.spawned.process.kill("SIGKILL");
  const outcomes = await settled;
  expect(outcomes.map(({ kind }) => kind)).toEqual(outcomes.map(() => "broken"));
  expect(new Set(effects()).size).toBe(effects().length);
  await service.restart();
  letGo();
  expect(await service.value({ function: "effect", package: code, args: { n: 99 } })).toBe(99);
  expect(new Set(effects()).size).toBe(effects().length);
});

test("S0-43 processes end with the service, even in an endless loop", async () => {
  const response = await service.post("/execute", service.request({ function: "loop", package: code }));
  let pid = 0;
  for await (const event of eventsOf(response)) {
    if (event.kind === "log") pid = Number(event.lines[0]?.messages[0]);
    if (pid !== 0) break;
  }
  process.kill(pid, 0);
  service.spawned.process.kill("SIGKILL");
  await until(() => !isAlive(pid));
});

test("NODE14 SIGTERM lets running actions end and refuses new ones", async () => {
  const running = service.execute({ function: "effect", package: code, args: { n: 1 } });
  await until(() => effects().length === 1);
  service.spawned.process.kill("SIGTERM");
  await service.spawned.until("stderr", /"draining"/);
  expect((await fetch(`${service.url}/healthz`)).status).toBe(503);
  expect(await service.execute({ function: "pid", package: code })).toMatchObject({
    kind: "refused",
    status: 503,
    error: { code: "Draining", retryable: true },
  });
  letGo();
  expect(await running).toMatchObject({ kind: "result", result: { ok: true } });
  expect(await service.spawned.exited).toBe(0);
});

test("NODE14 actions that outlast the drain are ended, with an error", async () => {
  await service.restart({ CONVECTION_NODE_DRAIN_MS: "100" });
  const running = service.execute({ function: "effect", package: code, args: { n: 1 } });
  await until(() => effects().length === 1);
  service.spawned.process.kill("SIGTERM");
  expect(await running).toMatchObject({ kind: "result", result: { ok: false } });
  expect(await service.spawned.exited).toBe(0);
});

test("E-C-7 actions beyond the limit wait for their turn and are refused after a bounded time", async () => {
  await service.restart({ CONVECTION_NODE_EXECUTIONS: "1", CONVECTION_NODE_QUEUE_MS: "150" });
  const first = service.execute({ function: "effect", package: code, args: { n: 1 } });
  await until(() => effects().length === 1);
  expect(await service.execute({ function: "pid", package: code, executionId: "again" })).toMatchObject({
    kind: "refused",
    status: 429,
    error: {
      code: "TooManyConcurrentRequests",
      message: expect.stringContaining("limited to 1 concurrent Node actions"),
      retryable: true,
    },
  });
  const waiting = service.execute({ function: "pid", package: code, executionId: "again" });
  letGo();
  expect(await waiting).toMatchObject({ kind: "result", result: { ok: true } });
  await first;
});

test("D-2 an action whose caller has gone is ended", async () => {
  const gone = new AbortController();
  const response = await service.post(
    "/execute",
    service.request({ function: "loop", package: code }),
    {},
    gone.signal,
  );
  let pid = 0;
  for await (const event of eventsOf(response)) {
    if (event.kind !== "log") continue;
    pid = Number(event.lines[0]?.messages[0]);
    break;
  }
  gone.abort();
  await until(() => !isAlive(pid));
});

test("NODE15 processes are reused and replaced after a number of calls", async () => {
  await service.restart({ CONVECTION_NODE_CALLS_PER_PROCESS: "3" });
  const pids: unknown[] = [];
  for (let i = 0; i < 6; i++) pids.push(await service.value({ function: "pid", package: code }));
  expect(new Set(pids.slice(0, 3)).size).toBe(1);
  expect(new Set(pids).size).toBe(2);
});

test("NODE16 heartbeats keep a long action's connection alive", async () => {
  await service.restart({ CONVECTION_NODE_HEARTBEAT_MS: "20" });
  const response = await service.post(
    "/execute",
    service.request({ function: "effect", package: code, args: { n: 1 } }),
  );
  const kinds: string[] = [];
  for await (const { kind } of eventsOf(response)) {
    kinds.push(kind);
    if (kinds.filter((each) => each === "heartbeat").length === 3) letGo();
  }
  expect(kinds[0]).toBe("started");
  expect(kinds.at(-1)).toBe("result");
});

test("NODE17 a setting that is unknown or unreadable stops the start and is named", async () => {
  for (const [name, value] of [
    ["CONVECTION_NODE_PROT", "1"],
    ["CONVECTION_NODE_EXECUTIONS", "many"],
  ] as const) {
    const started = service.restart({ [name]: value });
    await expect(started).rejects.toThrow(name);
  }
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // No such process.
    return false;
  }
}
