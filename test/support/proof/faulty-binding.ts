/**
 * What may go wrong with one batch: it never reaches D1, its answer is lost, it is done long after the connection was
 * lost, D1 refuses it, D1 starts over, or D1 does not move for a while and then goes on.
 */
export type FaultKind = "lost before" | "lost after" | "later" | "overloaded" | "reset" | "stall";

/** What D1 says, from its documentation (`platform.md` §1.3). */
const TEXTS: Readonly<Record<Exclude<FaultKind, "stall">, string>> = {
  "lost before": "D1_ERROR: Network connection lost.",
  "lost after": "D1_ERROR: Network connection lost.",
  later: "D1_ERROR: Network connection lost.",
  overloaded: "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
  reset: "D1_ERROR: Internal error in D1 DB storage caused object to be reset.",
};

export interface FaultPlan {
  /** Of the next batch, `null` for none. Reads and commits are all batches. */
  readonly draw: () => FaultKind | null;
  readonly sleep: (ms: number) => Promise<void>;
  readonly stallMs: number;
  readonly laterMs: number;
}

/** A D1 binding that fails as production does now and then and the local one never. */
export function faultyBinding(db: D1Database, plan: FaultPlan): D1Database {
  async function batch(statements: D1PreparedStatement[]): Promise<D1Result[]> {
    const kind = plan.draw();
    if (kind === null) return db.batch(statements);
    if (kind === "stall") {
      await plan.sleep(plan.stallMs);
      return db.batch(statements);
    }
    if (kind === "lost after") await db.batch(statements);
    // Its result, an error of the fence included, goes nowhere.
    if (kind === "later") void plan.sleep(plan.laterMs).then(() => db.batch(statements).catch(() => undefined));
    throw new Error(TEXTS[kind]);
  }
  return new Proxy(db, {
    get(target, property) {
      if (property === "batch") return batch;
      const value: unknown = Reflect.get(target, property);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
