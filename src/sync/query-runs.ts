import type { Timers } from "../engine/commit/ports.ts";
import { CodedError } from "../shared/coded-error.ts";
import { RunQueue } from "./run-queue.ts";
import { holdsAt, type QueryVersion, type SubscribedQuery } from "./subscribed-query.ts";

/** Queries of a shard that run at once. */
const PARALLEL_RUNS = 32;

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 30_000;

/** Somebody who needs a result that holds at `ts`. */
export interface Waiter {
  readonly ts: number;
  /** A result that holds at `ts`. */
  arrived(version: QueryVersion): void;
  /** There will be none: the snapshot is gone, or the backend failed. */
  failed(error: unknown): void;
}

interface Runs {
  running: boolean;
  failures: number;
  waiters: Waiter[];
}

/**
 * Runs of subscribed queries: one at a time of each, for everybody who waits for that timestamp or one at which the
 * result still holds. Failures of the backend are retried and not shown.
 */
export class QueryRuns<Query extends SubscribedQuery<unknown>> {
  readonly #run: (query: Query, ts: number) => Promise<QueryVersion>;
  readonly #settle: (query: Query, version: QueryVersion) => void;
  readonly #timers: Timers;
  readonly #queue = new RunQueue(PARALLEL_RUNS);
  readonly #runs = new Map<Query, Runs>();

  constructor(parts: {
    readonly run: (query: Query, ts: number) => Promise<QueryVersion>;
    /** Told of every result before those who wait for it. */
    readonly settle: (query: Query, version: QueryVersion) => void;
    readonly timers: Timers;
  }) {
    this.#run = parts.run;
    this.#settle = parts.settle;
    this.#timers = parts.timers;
  }

  request(query: Query, waiter: Waiter): void {
    let runs = this.#runs.get(query);
    if (runs === undefined) this.#runs.set(query, (runs = { running: false, failures: 0, waiters: [] }));
    runs.waiters.push(waiter);
    this.#start(query, runs);
  }

  forget(query: Query, waiter: Waiter): void {
    const runs = this.#runs.get(query);
    if (runs !== undefined) runs.waiters = runs.waiters.filter((other) => other !== waiter);
  }

  #start(query: Query, runs: Runs): void {
    if (runs.running) return;
    runs.running = true;
    this.#queue.add(async () => {
      const [first, ...others] = runs.waiters;
      if (first !== undefined) {
        // The newest that somebody waits for: most of the others take it too.
        const ts = others.reduce((newest, waiter) => Math.max(newest, waiter.ts), first.ts);
        await this.#attempt(query, runs, ts);
      }
      runs.running = false;
      if (runs.waiters.length === 0) this.#runs.delete(query);
      else if (runs.failures === 0) this.#start(query, runs);
      else this.#startLater(query, runs);
    });
  }

  #startLater(query: Query, runs: Runs): void {
    runs.running = true;
    const ms = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (runs.failures - 1));
    this.#timers.after(ms, () => {
      runs.running = false;
      if (runs.waiters.length === 0) this.#runs.delete(query);
      else this.#start(query, runs);
    });
  }

  async #attempt(query: Query, runs: Runs, ts: number): Promise<void> {
    let version: QueryVersion;
    try {
      version = await this.#run(query, ts);
    } catch (error) {
      const gone = error instanceof CodedError && error.errorClass === "OutOfRetention";
      if (error instanceof CodedError && error.retryable && !gone) {
        runs.failures += 1;
        return;
      }
      // A newer snapshot is for those who wait to ask for.
      this.#dismiss(
        runs,
        (waiter) => gone && waiter.ts > ts,
        (waiter) => waiter.failed(error),
      );
      return;
    }
    runs.failures = 0;
    this.#settle(query, version);
    this.#dismiss(
      runs,
      (waiter) => !holdsAt(version, waiter.ts),
      (waiter) => waiter.arrived(version),
    );
  }

  /** Those who are told may ask again at once. */
  #dismiss(runs: Runs, stays: (waiter: Waiter) => boolean, tell: (waiter: Waiter) => void): void {
    const leaving: Waiter[] = [];
    const staying: Waiter[] = [];
    for (const waiter of runs.waiters) (stays(waiter) ? staying : leaving).push(waiter);
    runs.waiters = staying;
    for (const waiter of leaving) tell(waiter);
  }
}
