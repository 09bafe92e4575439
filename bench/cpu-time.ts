import { readdirSync, readFileSync } from "node:fs";

/**
 * CPU seconds of a process and all its descendants so far. Unlike requests per second it hardly depends on what else
 * the machine does. `null` where there is no `/proc`.
 */
export function cpuSeconds(root: number): number | null {
  try {
    const parents = new Map<number, number>();
    for (const name of readdirSync("/proc")) if (/^\d+$/.test(name)) parents.set(Number(name), parentOf(name));
    let nanoseconds = 0;
    for (const pid of parents.keys()) if (descends(parents, pid, root)) nanoseconds += onCpu(pid);
    return nanoseconds / 1e9;
  } catch {
    // No `/proc`, or a process that ended meanwhile: a figure less in the table.
    return null;
  }
}

function parentOf(pid: string): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may hold anything; behind it come the state and the parent.
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
}

function onCpu(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  }
  return nanoseconds;
}

function descends(parents: ReadonlyMap<number, number>, pid: number, root: number): boolean {
  for (let at: number | undefined = pid; at !== undefined && at !== 0; at = parents.get(at)) {
    if (at === root) return true;
  }
  return false;
}
