// What the Node service still holds after 1000 calls and 100 pushes (D-5): `node bench/node-memory.ts`, after
// `npm run build`. Ends with 1 when it, with its
// processes, is more than 1.2 times what it held at its start.
import { readFileSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { codePackage, type CodePackage } from "../test/support/node-service/code-package.ts";
import { NodeService } from "../test/support/node-service/node-service.ts";

const CALLS = 1000;
const PACKAGES = 100;
const WARM_UP_PACKAGES = 10;
const ALLOWED = 1.2;
const IDLE_MS = 500;

function program(n: number): Promise<CodePackage> {
  return codePackage({
    main: `"use node"; import { actionGeneric, anyApi } from "convex/server"; const held = Buffer.alloc(1_000_000, ${n});
      export const main = actionGeneric(async (ctx) => { console.log("call"); await ctx.runQuery(anyApi.m.q, {}); return held.length; });`,
  });
}

async function push(service: NodeService, n: number): Promise<void> {
  const code = await program(n);
  for (let call = 0; call < CALLS / PACKAGES; call++) await service.value({ function: "main", package: code });
}

/** Resident bytes of the service and of all its processes. */
function residentBytes(service: number): { readonly own: number; readonly all: number } {
  const own = statm(service);
  const children = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === service);
  return { own, all: children.reduce((total, pid) => total + statm(Number(pid)), own) };
}

function statm(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * 4096;
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1]);
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

const service = await NodeService.start({ CONVECTION_NODE_IDLE_MS: String(IDLE_MS) });
try {
  const pid = service.spawned.process.pid ?? 0;
  service.worker.onSyscall = () => ({ result: 1 });
  // The service has done everything a few times: code that was not loaded or compiled yet is no leak.
  for (let i = 0; i < WARM_UP_PACKAGES; i++) await push(service, PACKAGES + i);
  await sleep(4 * IDLE_MS);
  const start = residentBytes(pid);
  for (let i = 0; i < PACKAGES; i++) await push(service, i);
  await sleep(10 * IDLE_MS);
  const end = residentBytes(pid);
  const ratio = (each: "own" | "all"): number => end[each] / start[each];
  const shown = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  console.log(`service alone:      ${shown(start.own)} → ${shown(end.own)} (× ${ratio("own").toFixed(2)})`);
  console.log(`with its processes: ${shown(start.all)} → ${shown(end.all)} (× ${ratio("all").toFixed(2)})`);
  if (ratio("all") > ALLOWED) process.exitCode = 1;
} finally {
  await service.close();
}
