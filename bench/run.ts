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
import { LoadGenerator } from "./load-generator.ts";
import { markdown, type Report, writeReport } from "./report.ts";
import { type Target, WORKLOADS } from "./target.ts";

interface Plan {
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly milliseconds: number;
  readonly growth: readonly [number, number];
}

/** Until V8 has compiled the hot paths, a call of ours costs twice as much; the baseline's few lines are warm at once. */
const FULL: Plan = { rounds: 9, warmUpMs: 2500, milliseconds: 500, growth: [1000, 100_000] };
const QUICK: Plan = { rounds: 2, warmUpMs: 300, milliseconds: 200, growth: [1000, 3000] };
const PARTS = ["bare", "growth", "costs"] as const;

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
const { compared, hotCounter } = await measureSpeed(generator);
const { growth: sizes, rounds, milliseconds } = plan;
if (asked("growth")) console.log("growth ...");
const growth = asked("growth") ? await measureGrowth(generator, sizes, rounds, milliseconds) : null;
if (asked("costs")) console.log("costs ...");
const costs = asked("costs") ? await measureCosts() : null;
const report: Report = { compared, growth, costs, hotCounter, rounds, milliseconds };
if (sized === FULL && only === undefined) writeReport(join(import.meta.dirname, "RESULTS.md"), report);
console.log(markdown(report));

async function measureSpeed(load: LoadGenerator): Promise<Pick<Report, "compared" | "hotCounter">> {
  await using baseline = await startBaseline();
  await using convection = await startConvection();
  await Promise.all([baseline.seed(1000), convection.seed(1000)]);
  const results: Compared[] = [];
  for (const workload of WORKLOADS) {
    if (!asked(workload)) continue;
    for (const connections of [1, 32]) {
      // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
      const one = await compare(load, { baseline, convection }, workload, connections, plan);
      results.push(one);
      console.log(line(one));
    }
  }
  if (asked("bare")) results.push(...(await measureBare(load, baseline)));
  // Both counters were only written by increments, each of which was acknowledged.
  const increments = results.filter(({ workload }) => workload === "modify" || workload === "hot");
  const acknowledged = increments.reduce((sum, { convection: ours }) => sum + ours.answered, 0);
  const stored = await convection.total();
  if (stored !== acknowledged) throw new Error(`${acknowledged} increments were acknowledged, ${stored} are stored`);
  const theirs = increments.reduce((sum, one) => sum + one.baseline.answered, 0);
  if ((await baseline.total()) !== theirs) throw new Error("the baseline lost increments");
  return { compared: results, hotCounter: { acknowledged, stored } };
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
