/** Weight of the newest run. */
const ALPHA = 0.1;
/** A function at or above is run one call at a time, until it falls below `COOL`. */
const HOT = 0.25;
const COOL = 0.05;

/** Functions remembered; the ones that ran longest ago are forgotten. */
const MAX_FUNCTIONS = 1_000;

/** How often the runs of a function meet a conflict: an exponentially weighted average by function. */
export class ConflictRates {
  readonly #rates = new Map<string, { rate: number; hot: boolean }>();

  /** Whether its calls should run one at a time. */
  isHot(functionName: string): boolean {
    return this.#rates.get(functionName)?.hot ?? false;
  }

  /** Whether `record(functionName, false)` would change anything. */
  isTracked(functionName: string): boolean {
    return this.#rates.has(functionName);
  }

  /** `conflicted`: the run met a conflict, or would have met one had it not waited for its turn. */
  record(functionName: string, conflicted: boolean): void {
    const entry = this.#rates.get(functionName);
    if (entry === undefined) {
      // Functions that never conflict, most of them, cost nothing.
      if (conflicted) this.#add(functionName);
      return;
    }
    entry.rate += ALPHA * ((conflicted ? 1 : 0) - entry.rate);
    if (entry.rate >= HOT) entry.hot = true;
    else if (entry.rate < COOL) this.#rates.delete(functionName);
  }

  #add(functionName: string): void {
    if (this.#rates.size >= MAX_FUNCTIONS) {
      for (const oldest of this.#rates.keys()) {
        this.#rates.delete(oldest);
        break;
      }
    }
    this.#rates.set(functionName, { rate: ALPHA, hot: false });
  }
}
