// `npm run bench`: the same work at a hand-written Worker and at Convection, alternating in one run, into RESULTS.md.
// `--quick`: less of everything, printed only. `--only get,list`: these alone, printed only; besides the workloads there
// are `bare` (reads with nothing in memory), `growth` and `costs`. `--rounds 5`: how often each is measured.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "../scripts/build.ts";
import { startBaseline } from "./baseline-target.ts";
import { compare, type Compared } from "./comparison.ts";
import { NOTHING_KEPT, startConvection } from "./convection-target.ts";
import { measureCosts } from "./costs.ts";
import { measureGrowth } from "./growth.ts";
import { type FilePlan, type FileSpeed, measureFiles } from "./files.ts";
import { LoadGenerator } from "./load-generator.ts";
import { measureNodeActions } from "./node-actions.ts";
import { markdown, nodeActionLines, type Report, writeReport } from "./report.ts";
import { measureScheduling, type SchedulingPlan } from "./scheduling.ts";
import { measureSearch, type SearchPlan } from "./search.ts";
import { FULL_SYNC, measureSync, QUICK_SYNC } from "./sync.ts";
import { type Target, WORKLOADS } from "./target.ts";

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
  rounds: 6,
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
  rounds: 2,
  warmUpMs: 300,
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

const PARTS = ["bare", "growth", "search", "scheduling", "files", "sync", "costs"] as const;

const { values } = parseArgs({
  options: { quick: { type: "boolean" }, only: { type: "string" }, rounds: { type: "string" } },
});
const sized = values.quick === true ? QUICK : FULL;
const plan: Plan = { ...sized, rounds: Number(values.rounds ?? sized.rounds) };
const only = values.only?.split(",");
const names = [...WORKLOADS, ...PARTS];
const unknown = only?.find((name) => !names.some((known) => known === name));
if (unknown !== undefined) throw new Error(`no such part: ${unknown}. There are ${names.join(", ")}`);
const asked = (name: (typeof names)[number]): boolean => only?.includes(name) ?? true;

await build();
await using generator = new LoadGenerator();
const { compared, nodeActions, hotCounter } = await measureSpeed(generator);
const { growth: sizes, rounds, milliseconds } = plan;
const growth = await part("growth", () => measureGrowth(generator, sizes, rounds, milliseconds));
const search = await part("search", () => measureSearch(generator, plan.search));
const scheduling = await part("scheduling", () => measureScheduling(generator, { ...plan.scheduling, rounds }));
const files = await part("files", filesOfBoth);
const sync = await part("sync", () => measureSync(sized === FULL ? FULL_SYNC : QUICK_SYNC));
const costs = await part("costs", measureCosts);
const report: Report = {
  compared,
  nodeActions,
  growth,
  search,
  scheduling,
  files,
  sync,
  costs,
  hotCounter,
  rounds,
  milliseconds,
};
if (sized === FULL && only === undefined) writeReport(join(import.meta.dirname, "RESULTS.md"), report);
console.log(markdown(report));

async function part<T>(name: (typeof PARTS)[number], measure: () => Promise<T>): Promise<T | null> {
  if (!asked(name)) return null;
  console.log(`${name} ...`);
  return measure();
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
    if (workload === "nodeQuery" || !asked(workload)) continue;
    for (const connections of [1, 32]) {
      // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
      const one = await compare(load, { baseline, convection }, workload, connections, plan);
      results.push(one);
      console.log(line(one));
    }
  }
  if (asked("bare")) results.push(...(await measureBare(load, baseline)));
  const nodeActions = asked("nodeQuery") ? await measureNodeActions(load, convection, plan) : null;
  if (nodeActions !== null) console.log(nodeActionLines(nodeActions).join("\n"));
  // Both counters were only written by increments, each of which was acknowledged.
  const increments = results.filter(({ workload }) => workload === "modify" || workload === "hot");
  const acknowledged = increments.reduce((sum, { convection: ours }) => sum + ours.answered, 0);
  const stored = await convection.total();
  if (stored !== acknowledged) throw new Error(`${acknowledged} increments were acknowledged, ${stored} are stored`);
  const theirs = increments.reduce((sum, one) => sum + one.baseline.answered, 0);
  if ((await baseline.total()) !== theirs) throw new Error("the baseline lost increments");
  return { compared: results, nodeActions, hotCounter: { acknowledged, stored } };
}

/** Reads of which every row comes from D1. */
async function measureBare(load: LoadGenerator, baseline: Target): Promise<Compared[]> {
  await using convection = await startConvection({ env: NOTHING_KEPT });
  await convection.seed(1000);
  const results: Compared[] = [];
  for (const workload of ["get", "list"] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    const one = { ...(await compare(load, { baseline, convection }, workload, 32, plan)), bare: true };
    results.push(one);
    console.log(`nothing in memory: ${line(one)}`);
  }
  return results;
}

function line({ workload, connections, baseline, convection, ratio, spread }: Compared): string {
  const rates = `${baseline.perSecond.toFixed(0)} ${convection.perSecond.toFixed(0)}`;
  const cpu = `${baseline.cpuMicroseconds.toFixed(0)} ${convection.cpuMicroseconds.toFixed(0)}`;
  const edges = spread.map((edge) => edge.toFixed(2)).join("-");
  return `${workload} at ${connections}: ${rates} per second, ratio ${ratio.toFixed(2)} (${edges}); CPU µs ${cpu}`;
}
