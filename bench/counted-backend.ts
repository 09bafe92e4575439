import { buildCountedWorker } from "./counted/build.ts";
import type { Costs } from "./counted/costs.ts";
import { type ConvectionTarget, NOTHING_KEPT, startConvection } from "./convection-target.ts";

export interface CountedBackend extends ConvectionTarget {
  /** What `work` cost, and whatever else the backend did meanwhile. */
  costsOf(work: () => Promise<unknown>): Promise<Costs>;
}

/** A backend whose bill can be read, with nothing in memory. Slower than a real one: never measure its speed. */
export async function startCounted(): Promise<CountedBackend> {
  const target = await startConvection({ args: await buildCountedWorker(), env: NOTHING_KEPT });
  const costs = async (): Promise<Costs> => (await (await fetch(`${target.url}/costs`)).json()) as Costs;
  return {
    ...target,
    async costsOf(work) {
      await costs();
      await work();
      return costs();
    },
  };
}
