// CPU per call of each kind of process, for Node actions: `node bench/node-cpu.ts [nodeNoop] [connections] [seconds]
// [--profile]`, after `npm run build`. The last one adds a profile of the service by itself.
import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { listeningPid } from "../test/support/listening-pid.ts";
import { startBaseline } from "./baseline-target.ts";
import { startConvection } from "./convection-target.ts";
import { cpuSeconds } from "./cpu-time.ts";
import { Inspector, type CpuProfile } from "./inspector.ts";
import { LoadGenerator } from "./load-generator.ts";
import { isWorkload, type Target } from "./target.ts";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { profile: { type: "boolean" } } });
const [workload = "nodeNoop", connections = "32", seconds = "3"] = positionals;
if (!isWorkload(workload)) throw new Error(`no such workload: ${workload}`);
await using generator = new LoadGenerator();
await using convection = await startConvection();
await convection.seed(1000);
if (workload === "nodeNoop") {
  await using baseline = await startBaseline();
  await measure("baseline", baseline);
}
await measure("Convection", convection);
if (values.profile === true) await profile();

async function measure(title: string, target: Target): Promise<void> {
  const job = { ...target.request(workload as "nodeNoop"), url: target.url, connections: Number(connections) };
  await generator.run({ ...job, milliseconds: 3000 });
  const before = byKind(target.pid);
  const { answered, perSecond } = await generator.run({ ...job, milliseconds: Number(seconds) * 1000 });
  const parts = [...byKind(target.pid)].map(([kind, spent]) => {
    const each = ((spent - (before.get(kind) ?? 0)) * 1e6) / answered;
    return `${kind} ${each.toFixed(0)}`;
  });
  console.log(
    `${title}, ${workload} at ${connections}: ${perSecond.toFixed(0)}/s; CPU µs per call: ${parts.join(", ")}`,
  );
}

/** CPU seconds so far. Processes are told apart by their command lines. */
function byKind(root: number): Map<string, number> {
  const kinds = new Map<string, number>([["all", cpuSeconds(root) ?? Number.NaN]]);
  for (const pid of descendants(root)) {
    const command = commandOf(pid);
    const kind = /node-actions-child/.test(command)
      ? "children"
      : /node-actions\.js|node-server/.test(command)
        ? "service"
        : /workerd/.test(command)
          ? "Worker"
          : "other";
    kinds.set(kind, (kinds.get(kind) ?? 0) + ownSeconds(pid));
  }
  return kinds;
}

function descendants(root: number): number[] {
  return [root, ...childrenOf(root).flatMap(descendants)];
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number),
    );
  } catch {
    // It has ended meanwhile.
    return [];
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function ownSeconds(pid: number): number {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const spent = tasks.map((task) =>
      Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]),
    );
    return spent.reduce((a, b) => a + b, 0) / 1e9;
  } catch {
    return 0;
  }
}

async function profile(): Promise<void> {
  const service = `http://127.0.0.1:${await nodePort()}`;
  process.kill(listeningPid(service), "SIGUSR1");
  await new Promise((resolve) => setTimeout(resolve, 500));
  const [inspector] = await Inspector.matching(9229, /node-actions/);
  if (inspector === undefined) throw new Error("the service has no inspector");
  await inspector.start();
  const job = { ...convection.request(workload as "nodeNoop"), url: convection.url, connections: Number(connections) };
  const { answered } = await generator.run({ ...job, milliseconds: Number(seconds) * 1000 });
  report(await inspector.stop(), answered);
}

async function nodePort(): Promise<number> {
  for (const pid of descendants(convection.pid)) {
    if (!/node-actions\.js/.test(commandOf(pid))) continue;
    const socket = readFileSync(`/proc/${pid}/net/tcp`, "utf8");
    for (const line of socket.split("\n").slice(1)) {
      const [, local = "", , state] = line.trim().split(/\s+/);
      if (state !== "0A") continue;
      const port = Number.parseInt(local.split(":")[1] ?? "", 16);
      try {
        if (listeningPid(`http://127.0.0.1:${port}`) === pid) return port;
      } catch {
        // Closed meanwhile.
      }
    }
  }
  throw new Error("there is no service");
}

function report(cpu: CpuProfile, calls: number): void {
  const self = new Map<number, number>();
  for (const [i, id] of cpu.samples.entries()) self.set(id, (self.get(id) ?? 0) + (cpu.timeDeltas[i] ?? 0));
  const own = new Map<string, number>();
  const whole = new Map<string, number>();
  const nodes = new Map(cpu.nodes.map((node) => [node.id, node]));
  const visit = (id: number, above: ReadonlySet<string>): number => {
    const node = nodes.get(id);
    if (node === undefined) return 0;
    const { functionName, url, lineNumber } = node.callFrame;
    const name = `${functionName || "(anonymous)"} ${url.split("/").slice(-2).join("/")}:${lineNumber + 1}`;
    const spent = self.get(id) ?? 0;
    own.set(name, (own.get(name) ?? 0) + spent);
    const inside = new Set(above).add(name);
    const total = spent + (node.children ?? []).reduce((sum, child) => sum + visit(child, inside), 0);
    if (!above.has(name)) whole.set(name, (whole.get(name) ?? 0) + total);
    return total;
  };
  if (cpu.nodes[0] !== undefined) visit(cpu.nodes[0].id, new Set());
  for (const [heading, times] of [
    ["self", own],
    ["with callees", whole],
  ] as const) {
    console.log(`-- ${heading}, microseconds per call`);
    for (const [name, time] of [...times].toSorted((a, b) => b[1] - a[1]).slice(0, 60)) {
      console.log(`${(time / calls).toFixed(1).padStart(8)}  ${name}`);
    }
  }
}
