// `npm run bench`: the same work at a hand-written Worker and at Convection, alternating in one run, into RESULTS.md.
// `--quick`: less of everything, printed only. `--only get,list`: these workloads alone, printed only.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "../scripts/build.ts";
import { startBaseline } from "./baseline-target.ts";
import { compare, type Compared } from "./comparison.ts";
import { startConvection } from "./convection-target.ts";
import { measureCosts } from "./costs.ts";
import { measureGrowth } from "./growth.ts";
import { type FilePlan, type FileSpeed, measureFiles } from "./files.ts";
import { LoadGenerator } from "./load-generator.ts";
import { measureNodeActions } from "./node-actions.ts";
import {
  fileLines,
  markdown,
  nodeActionLines,
  type Report,
  schedulingLines,
  syncLines,
  writeReport,
} from "./report.ts";
import { measureScheduling, type SchedulingPlan } from "./scheduling.ts";
import { measureSearch, type SearchPlan } from "./search.ts";
import { FULL_SYNC, measureSync, QUICK_SYNC } from "./sync.ts";
import { isWorkload, WORKLOADS } from "./target.ts";

interface Plan {
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly milliseconds: number;
  readonly growth: readonly [number, number];
  readonly search: SearchPlan;
  readonly scheduling: Omit<SchedulingPlan, "rounds">;
  readonly files: FilePlan;
}

/** Until V8 has compiled the hot paths, a call of ours costs twice as much; the baseline's few lines are warm at once. */
const FULL: Plan = {
  rounds: 9,
  warmUpMs: 3000,
  milliseconds: 500,
  growth: [1000, 100_000],
  search: { vectors: 10_000, notes: 100_000, rounds: 5, milliseconds: 1000 },
  scheduling: { hops: 200, jobs: 10_000, pending: [100, 100_000] },
  files: {
    rounds: 5,
    transfers: [
      [100_000, 400],
      [10_000_000, 16],
    ],
  },
};
const QUICK: Plan = {
  rounds: 1,
  warmUpMs: 200,
  milliseconds: 200,
  growth: [1000, 3000],
  search: { vectors: 2000, notes: 3000, rounds: 1, milliseconds: 200 },
  scheduling: { hops: 50, jobs: 1000, pending: [100, 3000] },
  files: {
    rounds: 1,
    transfers: [
      [100_000, 100],
      [10_000_000, 8],
    ],
  },
};

/** Has no counterpart in a hand-written Worker, so it is measured by itself. */
const SCHEDULING = "scheduling";
const FILES = "files";

const { values } = parseArgs({ options: { quick: { type: "boolean" }, only: { type: "string" } } });
const plan = values.quick === true ? QUICK : FULL;
const only = values.only?.split(",");
const others = [SCHEDULING, FILES, "sync"];
const unknown = only?.find((name) => !isWorkload(name) && !others.includes(name));
if (unknown !== undefined) {
  throw new Error(`no such workload: ${unknown}. There are ${[...WORKLOADS, ...others].join(", ")}`);
}

await build();
await using generator = new LoadGenerator();
const { compared, nodeActions, hotCounter } = await measureSpeed(generator);
if (only?.includes(SCHEDULING) === true) {
  console.log(
    schedulingLines(await measureScheduling(generator, { ...plan.scheduling, rounds: plan.rounds })).join("\n"),
  );
}
const syncPlan = plan === FULL ? FULL_SYNC : QUICK_SYNC;
if (only?.includes("sync") === true) console.log(syncLines(await measureSync(syncPlan)).join("\n"));
if (only?.includes(FILES) === true) console.log(fileLines(await filesOfBoth()).join("\n"));
if (only === undefined) {
  console.log("growth ...");
  const growth = await measureGrowth(generator, plan.growth, plan.rounds, plan.milliseconds);
  console.log("search ...");
  const search = await measureSearch(generator, plan.search);
  console.log("scheduling ...");
  const scheduling = await measureScheduling(generator, { ...plan.scheduling, rounds: plan.rounds });
  console.log("files ...");
  const files = await filesOfBoth();
  console.log("costs ...");
  const costs = await measureCosts();
  console.log("sync ...");
  const sync = await measureSync(syncPlan);
  const report: Report = {
    compared,
    nodeActions,
    growth,
    search,
    scheduling,
    files,
    costs,
    sync,
    hotCounter,
    rounds: plan.rounds,
    milliseconds: plan.milliseconds,
  };
  if (plan === FULL) writeReport(join(import.meta.dirname, "RESULTS.md"), report);
  console.log(markdown(report));
}

async function filesOfBoth(): Promise<readonly FileSpeed[]> {
  await using baseline = await startBaseline();
  await using convection = await startConvection();
  return await measureFiles({ baseline, convection }, plan.files);
}

async function measureSpeed(load: LoadGenerator): Promise<Pick<Report, "compared" | "nodeActions" | "hotCounter">> {
  await using baseline = await startBaseline();
  await using convection = await startConvection();
  await Promise.all([baseline.seed(1000), convection.seed(1000)]);
  const results: Compared[] = [];
  for (const workload of WORKLOADS) {
    if (workload === "nodeQuery" || (only !== undefined && !only.includes(workload))) continue;
    for (const connections of [1, 32]) {
      // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
      const one = await compare(load, { baseline, convection }, workload, connections, plan);
      results.push(one);
      console.log(line(one));
    }
  }
  const wantsNode = only === undefined || only.includes("nodeQuery");
  const nodeActions = wantsNode ? await measureNodeActions(load, convection, plan) : undefined;
  if (nodeActions !== undefined) console.log(nodeActionLines(nodeActions).join("\n"));
  // Both counters were only written by increments, each of which was acknowledged.
  const increments = results.filter(({ workload }) => workload === "modify" || workload === "hot");
  const acknowledged = increments.reduce((sum, { convection: ours }) => sum + ours.answered, 0);
  const stored = await convection.total();
  if (stored !== acknowledged) throw new Error(`${acknowledged} increments were acknowledged, ${stored} are stored`);
  const theirs = increments.reduce((sum, one) => sum + one.baseline.answered, 0);
  if ((await baseline.total()) !== theirs) throw new Error("the baseline lost increments");
  return { compared: results, nodeActions, hotCounter: { acknowledged, stored } };
}

function line({ workload, connections, baseline, convection, ratio, spread }: Compared): string {
  const rates = `${baseline.perSecond.toFixed(0)} ${convection.perSecond.toFixed(0)}`;
  const cpu = `${baseline.cpuMicroseconds.toFixed(0)} ${convection.cpuMicroseconds.toFixed(0)}`;
  const edges = spread.map((edge) => edge.toFixed(2)).join("-");
  return `${workload} at ${connections}: ${rates} per second, ratio ${ratio.toFixed(2)} (${edges}); CPU µs ${cpu}`;
}
