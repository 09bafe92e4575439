import { type FaultKind, faultyBinding } from "../../support/proof/faulty-binding.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { controls } from "./controls.ts";

export type Holder = "worker" | "transactor";

let seed = 0;
let random = new SeededRandom(seed);

/** The binding under the faults and holds that the test has asked for. */
export function faulty(db: D1Database, holder: Holder): D1Database {
  const broken = faultyBinding(db, { draw, sleep, stallMs: 300, laterMs: 300 });
  const batch = async (statements: D1PreparedStatement[]): Promise<D1Result[]> => {
    if (holder === "worker" && controls.letThrough-- <= 0) await held();
    return broken.batch(statements);
  };
  return new Proxy(db, {
    get(target, property) {
      if (property === "batch") return batch;
      const value: unknown = Reflect.get(target, property);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function draw(): FaultKind | null {
  const { faultSeed, faultProbability, faultKinds } = controls;
  if (seed !== faultSeed) [seed, random] = [faultSeed, new SeededRandom(faultSeed)];
  return random.chance(faultProbability) ? random.pick(faultKinds) : null;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits by looking again: a promise of one request must not be settled by another. */
async function held(): Promise<void> {
  controls.heldReads += 1;
  while (controls.letThrough <= 0) await sleep(5);
  controls.heldReads -= 1;
}
