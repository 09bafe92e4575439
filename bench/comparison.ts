import { cpuSeconds } from "./cpu-time.ts";
import type { LoadGenerator } from "./load-generator.ts";
import { median } from "./statistics.ts";
import type { Target, Workload } from "./target.ts";

export interface Rounds {
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly milliseconds: number;
}

export interface Compared {
  readonly workload: Workload;
  /** Convection keeps nothing in memory. */
  readonly bare?: boolean;
  readonly connections: number;
  readonly baseline: Figures;
  readonly convection: Figures;
  /** Of requests per second, Convection to baseline: the median of the rounds' ratios. */
  readonly ratio: number;
  /** Smallest and largest ratio of a round. */
  readonly spread: readonly [number, number];
}

/** Medians over the rounds. */
export interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly answered: number;
  readonly bytesPerAnswer: number;
  /** CPU time of all processes of the target, `NaN` where it can't be read. */
  readonly cpuMicroseconds: number;
}

/**
 * One workload at both targets, alternating: each round measures one and then the other, in changing order, so that
 * whatever else the machine does meets both. Only ratios within a round are compared.
 */
export async function compare(
  generator: LoadGenerator,
  targets: { readonly baseline: Target; readonly convection: Target },
  workload: Workload,
  connections: number,
  { rounds, warmUpMs, milliseconds }: Rounds,
): Promise<Compared> {
  const run = async (target: Target, ms: number) => {
    const before = cpuSeconds(target.pid) ?? Number.NaN;
    const result = await generator.run({
      ...target.request(workload),
      url: target.url,
      connections,
      milliseconds: ms,
    });
    const seconds = (cpuSeconds(target.pid) ?? Number.NaN) - before;
    return { ...result, cpuMicroseconds: (seconds * 1e6) / result.answered };
  };
  const { baseline, convection } = targets;
  // Warm-up calls count too where every acknowledged call has to be found again.
  const answered = {
    baseline: (await run(baseline, warmUpMs)).answered,
    convection: (await run(convection, warmUpMs)).answered,
  };
  const measured: { baseline: Measured[]; convection: Measured[] } = { baseline: [], convection: [] };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? (["baseline", "convection"] as const) : (["convection", "baseline"] as const);
    for (const side of order) {
      // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
      const result = await run(targets[side], milliseconds);
      measured[side].push(result);
      answered[side] += result.answered;
    }
  }
  const ratios = measured.convection.map((ours, i) => ours.perSecond / (measured.baseline[i]?.perSecond ?? Number.NaN));
  return {
    workload,
    connections,
    baseline: { ...figures(measured.baseline), answered: answered.baseline },
    convection: { ...figures(measured.convection), answered: answered.convection },
    ratio: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}

type Measured = Omit<Figures, "answered">;

function figures(rounds: readonly Measured[]): Measured {
  const of = (key: keyof Measured): number => median(rounds.map((round) => round[key]));
  return {
    perSecond: of("perSecond"),
    p50Ms: of("p50Ms"),
    p99Ms: of("p99Ms"),
    bytesPerAnswer: of("bytesPerAnswer"),
    cpuMicroseconds: of("cpuMicroseconds"),
  };
}
