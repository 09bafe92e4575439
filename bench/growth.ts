import { NOTHING_KEPT, startConvection } from "./convection-target.ts";
import type { LoadGenerator } from "./load-generator.ts";
import { median } from "./statistics.ts";

export interface Growth {
  readonly documents: readonly [number, number];
  /** Median milliseconds of an index read of 20 rows at one connection. */
  readonly p50Ms: readonly [number, number];
  /** Median of the rounds' ratios. */
  readonly ratio: number;
}

/** Two backends with nothing in memory, one with few documents and one with many, measured in turn. */
export async function measureGrowth(
  generator: LoadGenerator,
  documents: readonly [number, number],
  rounds: number,
  milliseconds: number,
): Promise<Growth> {
  await using few = await startConvection({ env: NOTHING_KEPT });
  await using many = await startConvection({ env: NOTHING_KEPT });
  await few.seed(documents[0]);
  await many.seed(documents[1]);
  const p50s: [number, number][] = [];
  const read = async (target: typeof few): Promise<number> => {
    const job = { ...target.request("list"), url: target.url, connections: 1, milliseconds };
    return (await generator.run(job)).p50Ms;
  };
  // The first round warms both up.
  for (let round = 0; round <= rounds; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    const pair: [number, number] = [await read(few), await read(many)];
    if (round > 0) p50s.push(pair);
  }
  return {
    documents,
    p50Ms: [median(p50s.map(([small]) => small)), median(p50s.map(([, large]) => large))],
    ratio: median(p50s.map(([small, large]) => large / small)),
  };
}
