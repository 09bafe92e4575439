import { afterAll, beforeAll, expect, test } from "vitest";
import { codePackage, type CodePackage } from "../support/node-service/code-package.ts";
import { MIB, NodeService, type Outcome } from "../support/node-service/node-service.ts";

const SOURCE = `"use node";
import { readFileSync, readdirSync, writeFileSync, openSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { actionGeneric } from "convex/server";
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const read = actionGeneric(async () => {
  const seen = [];
  for (let i = 0; i < 5; i++) { seen.push(process.env.WHO); await sleep(5); }
  console.log(process.env.WHO);
  return { seen, other: process.env.ONLY_A ?? null, host: process.env.HOST_SECRET ?? null };
});
export const exit = actionGeneric(async () => process.exit(1));
export const loop = actionGeneric(async () => { for (;;); });
export const allocate = actionGeneric(async () => { const kept = []; for (let i = 0; i < 64; i++) { kept.push(Buffer.alloc(32 * 1024 * 1024, 1)); await sleep(0); } return kept.length; });
const attempt = (f) => { try { return String(f()); } catch (error) { return "refused " + (error.code ?? error.message); } };
export const spy = actionGeneric(async (_ctx, { keysFile, cache }) => {
  const parent = process.ppid;
  const open = (path) => attempt(() => readFileSync(path, "latin1"));
  const fds = attempt(() => readdirSync("/proc/" + parent + "/fd").map((fd) => open("/proc/" + parent + "/fd/" + fd)));
  process._debugProcess?.(process.pid);
  return {
    uid: process.getuid(),
    environment: JSON.stringify(process.env) + open("/proc/self/environ"),
    parentEnvironment: open("/proc/" + parent + "/environ"),
    commandLine: open("/proc/" + parent + "/cmdline"),
    memory: attempt(() => openSync("/proc/" + parent + "/mem", "r")),
    fds,
    keys: open(keysFile),
    inspect: attempt(() => process._debugProcess(parent)),
    kill: attempt(() => process.kill(parent, "SIGKILL")),
    cache: attempt(() => writeFileSync(cache + "/x", "x")),
    ownCode: attempt(() => writeFileSync(new URL(import.meta.url), "x")),
    shell: attempt(() => execFileSync("cat", [keysFile], { stdio: "pipe" })),
    channel: [typeof process.send, process.env.NODE_CHANNEL_FD ?? null],
  };
});
`;

let service: NodeService;
let code: CodePackage;

beforeAll(async () => {
  code = await codePackage({ main: SOURCE });
  service = await NodeService.start({ CONVECTION_NODE_EXECUTIONS: "24", CONVECTION_NODE_QUEUE_MS: "60000" });
});

afterAll(() => service.close());

test(
  "P-E-1 100 actions of two environments read their own variables while others exit, loop and allocate",
  { timeout: 120_000 },
  async () => {
    const run = (name: string, who: string): Promise<Outcome> =>
      service.execute({
        function: name,
        package: code,
        variables: { WHO: who, ...(who === "a" ? { ONLY_A: "yes" } : {}) },
        limits: { timeoutMs: name === "loop" ? 2000 : 60_000, memoryBytes: 128 * MIB },
      });
    const bad = [run("exit", "a"), run("loop", "b"), run("allocate", "a")];
    const good = Array.from({ length: 100 }, (_, i) => run("read", i % 2 === 0 ? "a" : "b"));
    const outcomes = await Promise.all(good);
    for (const [i, outcome] of outcomes.entries()) {
      const who = i % 2 === 0 ? "a" : "b";
      expect(outcome.kind === "result" && outcome.result.ok && JSON.parse(outcome.result.value)).toEqual({
        seen: Array.from({ length: 5 }, () => who),
        other: who === "a" ? "yes" : null,
        host: null,
      });
    }
    const [exit, loop, allocate] = await Promise.all(bad);
    expect(exit).toMatchObject({ result: { error: { message: "process.exit() called with exit code 1" } } });
    expect(loop).toMatchObject({ result: { error: { message: expect.stringContaining("unexpectedly timed out") } } });
    expect(allocate).toMatchObject({ result: { error: { message: expect.stringContaining("ran out of memory") } } });
  },
);

test("NODE7 user code reaches neither keys nor the service by any route", async () => {
  const found = (await service.value({
    function: "spy",
    package: code,
    args: { keysFile: service.keysFile, cache: service.cache },
  })) as Record<string, unknown>;
  const secret = "a".repeat(32);
  expect(JSON.stringify(found)).not.toContain(secret);
  expect(JSON.stringify(found)).not.toContain("of the host");
  expect(found["channel"]).toEqual(["undefined", null]);
  // As root the service gives user code to somebody else; as anybody else it can't.
  if (process.getuid?.() !== 0) return;
  expect(found["uid"]).not.toBe(0);
  for (const route of ["parentEnvironment", "memory", "fds", "keys", "inspect", "kill", "cache", "ownCode", "shell"]) {
    expect(`${route}: ${String(found[route])}`).toMatch(/refused|: $/);
  }
  expect(await service.value({ function: "read", package: code, variables: { WHO: "w" } })).toMatchObject({
    host: null,
  });
});
