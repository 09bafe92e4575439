// Where the time of one workload goes: `node bench/profile.ts <workload> [connections] [seconds]`.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { TraceMap, originalPositionFor } from "@jridgewell/trace-mapping";
import { startConvection } from "./convection-target.ts";
import { Inspector, type CpuProfile } from "./inspector.ts";
import { LoadGenerator } from "./load-generator.ts";
import { isWorkload } from "./target.ts";

const workerMap = new TraceMap(readFileSync(join(import.meta.dirname, "../dist/worker.js.map"), "utf8"));
const [workload = "list", connections = "32", seconds = "3"] = process.argv.slice(2);
if (!isWorkload(workload)) throw new Error(`no such workload: ${workload}`);
const port = await freePort();
await using convection = await startConvection({ args: ["--inspector-port", String(port)] });
await using generator = new LoadGenerator();
await convection.seed(1000);
const job = { ...convection.request(workload), url: convection.url, connections: Number(connections) };
await generator.run({ ...job, milliseconds: 1000 });
const inspectors = await Inspector.matching(port, /core:user:convection|LOADER/);
await Promise.all(inspectors.map((inspector) => inspector.start()));
const result = await generator.run({ ...job, milliseconds: Number(seconds) * 1000 });
console.log(`${workload}: ${result.answered} calls, ${result.perSecond.toFixed(0)}/s`);
for (const inspector of inspectors) report(inspector.title, await inspector.stop(), result.answered);

/** Microseconds per call: of functions by themselves, and of those with everything they call. */
function report(title: string, profile: CpuProfile, calls: number): void {
  const self = new Map<number, number>();
  for (const [i, id] of profile.samples.entries()) self.set(id, (self.get(id) ?? 0) + (profile.timeDeltas[i] ?? 0));
  const names = new Map(profile.nodes.map((node) => [node.id, frameName(node.callFrame)]));
  const byFunction = new Map<string, number>();
  const inclusive = new Map<string, number>();
  const children = new Map(profile.nodes.map((node) => [node.id, node.children ?? []]));
  const visit = (id: number, above: ReadonlySet<string>): number => {
    const name = names.get(id) ?? "?";
    const own = self.get(id) ?? 0;
    byFunction.set(name, (byFunction.get(name) ?? 0) + own);
    const inside = new Set(above).add(name);
    const total = own + (children.get(id) ?? []).reduce((sum, child) => sum + visit(child, inside), 0);
    if (!above.has(name)) inclusive.set(name, (inclusive.get(name) ?? 0) + total);
    return total;
  };
  const root = profile.nodes[0];
  if (root !== undefined) visit(root.id, new Set());
  const idle = byFunction.get("(idle)") ?? 0;
  const elapsed = profile.endTime - profile.startTime;
  console.log(`\n== ${title}: busy ${((100 * (elapsed - idle)) / elapsed).toFixed(0)}%, microseconds per call`);
  for (const [heading, times] of [
    ["self", byFunction],
    ["with callees", inclusive],
  ] as const) {
    console.log(`-- ${heading}`);
    for (const [name, time] of [...times].toSorted((a, b) => b[1] - a[1]).slice(0, 60)) {
      console.log(`${(time / calls).toFixed(1).padStart(8)}  ${name}`);
    }
  }
}

function frameName(frame: CpuProfile["nodes"][number]["callFrame"]): string {
  const name = frame.functionName === "" ? "(anonymous)" : frame.functionName;
  if (frame.url === "") return name;
  const map = frame.url.endsWith("worker.js") ? workerMap : null;
  if (map === null) return `${name} ${frame.url.split("/").at(-1)}:${frame.lineNumber + 1}`;
  const { source, line } = originalPositionFor(map, { line: frame.lineNumber + 1, column: frame.columnNumber });
  return `${name} ${source?.replace(/^(\.\.\/)+/, "") ?? "worker.js"}:${line ?? "?"}`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a port was asked for");
  return address.port;
}
