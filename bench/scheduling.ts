import { type ConvectionTarget, startConvection } from "./convection-target.ts";
import { chunks, range } from "./data.ts";
import type { LoadGenerator } from "./load-generator.ts";
import { median } from "./statistics.ts";

export interface Scheduling {
  /** Median milliseconds of a plain mutation at one connection, and between the starts of two jobs of a chain. */
  readonly mutationMs: number;
  readonly hopMs: number;
  readonly hopRatio: number;
  readonly jobs: number;
  /** Jobs per second when all are due at once, and the same mutation over 32 connections. */
  readonly jobsPerSecond: number;
  readonly mutationsPerSecond: number;
  readonly throughputRatio: number;
  readonly pending: readonly [number, number];
  /** Median milliseconds between two jobs of a chain that are each found in the queue, by how many are pending. */
  readonly pickMs: readonly [number, number];
  readonly pickRatio: number;
}

export interface SchedulingPlan {
  readonly rounds: number;
  readonly hops: number;
  readonly jobs: number;
  readonly pending: readonly [number, number];
}

const FAR_MS = 30 * 24 * 3_600_000;
const PER_MUTATION = 1_000;

export async function measureScheduling(generator: LoadGenerator, plan: SchedulingPlan): Promise<Scheduling> {
  await using few = await startConvection();
  await using many = await startConvection();
  await few.seed(1000);
  await many.seed(1000);
  const started = await startLatency(generator, few, plan);
  const burst = await throughput(generator, few, plan);
  await fill(few, plan.pending[0]);
  await fill(many, plan.pending[1]);
  const picks: [number, number][] = [];
  // The first round warms both up.
  for (let round = 0; round <= plan.rounds; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    const pair: [number, number] = [await chain(few, plan.hops, 1), await chain(many, plan.hops, 1)];
    if (round > 0) picks.push(pair);
  }
  return {
    ...started,
    ...burst,
    jobs: plan.jobs,
    pending: plan.pending,
    pickMs: [median(picks.map(([ms]) => ms)), median(picks.map(([, ms]) => ms))],
    pickRatio: median(picks.map(([small, large]) => large / small)),
  };
}

/** `runAfter(0)` to the start of what it schedules, beside the answer to a plain mutation, alternating. */
async function startLatency(generator: LoadGenerator, target: ConvectionTarget, { rounds, hops }: SchedulingPlan) {
  const plain: number[] = [];
  const chained: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const job = { ...target.request("modify"), url: target.url, connections: 1, milliseconds: 500 };
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    const [{ p50Ms }, hop] = [await generator.run(job), await chain(target, hops, 0)];
    if (round === 0) continue;
    plain.push(p50Ms);
    chained.push(hop);
  }
  const ratios = chained.map((hop, i) => hop / (plain[i] ?? Number.NaN));
  return { mutationMs: median(plain), hopMs: median(chained), hopRatio: median(ratios) };
}

/** Milliseconds per hop of a chain of mutations that each schedule the next one. */
async function chain(target: ConvectionTarget, hops: number, after: number): Promise<number> {
  const name = `chain ${performance.now()}`;
  const { id, at } = (await target.mutation("jobs:start", { name, hops, after })) as { id: string; at: number };
  for (;;) {
    const { value } = (await target.query("counters:get", { id })) as { value: number };
    // oxlint-disable-next-line no-await-in-loop -- looking must not disturb what is measured
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { value: later } = (await target.query("counters:get", { id })) as { value: number };
    if (value !== 0 && value === later) return (value - at) / (hops + 1);
  }
}

/** Many jobs that are due at once, beside the same mutation by 32 callers. */
async function throughput(generator: LoadGenerator, target: ConvectionTarget, { jobs }: SchedulingPlan) {
  const { counters } = target;
  const at = Date.now() + 2_000 + jobs;
  let last: unknown = null;
  for (const some of chunks(range(jobs), PER_MUTATION)) {
    const ids = some.map((i) => counters[(i * 7919) % counters.length]);
    // oxlint-disable-next-line no-await-in-loop -- they are due in the order in which they are scheduled
    last = await target.mutation("jobs:scheduleModify", { ids, at: at + (some[0] ?? 0) / 1000 });
  }
  if (Date.now() >= at) throw new Error("the jobs were due before all of them were scheduled");
  // While the jobs are not due yet.
  const job = { ...target.request("modify"), url: target.url, connections: 32, milliseconds: 1_500 };
  const { perSecond } = await generator.run(job);
  await waitUntil(async () => (await target.query("jobs:completedTime", { id: last })) !== null);
  const before = at + 60_000;
  let ends = { over: 0, last: 0 };
  await waitUntil(async () => {
    ends = (await target.query("jobs:ends", { before })) as typeof ends;
    return ends.over >= jobs;
  });
  const jobsPerSecond = jobs / ((ends.last - at) / 1000);
  return { jobsPerSecond, mutationsPerSecond: perSecond, throughputRatio: jobsPerSecond / perSecond };
}

/** Jobs of a far future. */
async function fill(target: ConvectionTarget, jobs: number): Promise<void> {
  const { counters } = target;
  for (const some of chunks(range(jobs), PER_MUTATION)) {
    const ids = some.map((i) => counters[i % counters.length]);
    // oxlint-disable-next-line no-await-in-loop -- enough for one moment
    await target.mutation("jobs:scheduleModify", { ids, at: Date.now() + FAR_MS });
  }
}

async function waitUntil(reached: () => Promise<boolean>): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- asks until it is so
  while (!(await reached())) await new Promise((resolve) => setTimeout(resolve, 100));
}
