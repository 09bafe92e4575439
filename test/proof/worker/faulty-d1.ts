import { SeededRandom } from "../../support/seeded-random.ts";
import { controls, type FaultKind } from "./controls.ts";

/** What D1 says, from its documentation (`platform.md` §1.3). */
const TEXTS: Readonly<Record<Exclude<FaultKind, "slow">, string>> = {
  "lost before": "D1_ERROR: Network connection lost.",
  "lost after": "D1_ERROR: Network connection lost.",
  later: "D1_ERROR: Network connection lost.",
  overloaded: "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
  reset: "D1_ERROR: Internal error in D1 DB storage caused object to be reset.",
};

const SLOW_MS = 300;

let seed = 0;
let random = new SeededRandom(seed);

export type Holder = "worker" | "transactor";

/** The binding with what production does now and then and the local one never. Reads and commits are all batches. */
export function faulty(db: D1Database, holder: Holder): D1Database {
  const batch = async (statements: D1PreparedStatement[]): Promise<D1Result[]> => {
    if (holder === "worker" && controls.letThrough-- <= 0) await held();
    const { faultSeed, faultProbability, faultKinds } = controls;
    if (seed !== faultSeed) [seed, random] = [faultSeed, new SeededRandom(faultSeed)];
    if (!random.chance(faultProbability)) return db.batch(statements);
    const kind = random.pick(faultKinds);
    if (kind === "slow") {
      await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
      return db.batch(statements);
    }
    if (kind === "lost after") await db.batch(statements);
    if (kind === "later") setTimeout(() => void db.batch(statements).catch(() => undefined), SLOW_MS);
    throw new Error(TEXTS[kind]);
  };
  return new Proxy(db, {
    get(target, property) {
      if (property === "batch") return batch;
      const value: unknown = Reflect.get(target, property);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Waits by looking again: a promise of one request must not be settled by another. */
async function held(): Promise<void> {
  controls.heldReads += 1;
  while (controls.letThrough <= 0) await new Promise((resolve) => setTimeout(resolve, 5));
  controls.heldReads -= 1;
}
