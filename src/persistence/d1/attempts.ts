import { classifyD1Failure, notMigrated, storageUnavailable } from "./errors.ts";
import { sleep, withTimeout, type Timers } from "./timers.ts";

export interface AttemptSettings {
  readonly timers: Timers;
  /** Milliseconds one attempt may take. D1 is known to stall for a minute; no caller should wait that long. */
  readonly timeoutMs: number;
  /** Milliseconds to wait before each further attempt; its length is the number of further attempts. */
  readonly backoffMs: readonly number[];
}

class TimedOutError extends Error {
  override readonly name = "TimedOutError";
}

/**
 * Runs work that may be done twice: reads, and writes that are idempotent. Transient failures are tried again,
 * overload and time-outs are not; a database that lacks our tables is told apart; in the end both reach the caller as a retryable `CodedError`.
 */
export async function attempt<T>(settings: AttemptSettings, work: () => Promise<T>): Promise<T> {
  for (let retry = 0; ; retry++) {
    try {
      return await withTimeout(
        settings.timers,
        settings.timeoutMs,
        work(),
        () => new TimedOutError(`The database did not answer within ${settings.timeoutMs} ms.`),
      );
    } catch (error) {
      const failure = error instanceof TimedOutError ? "overloaded" : classifyD1Failure(error);
      if (failure === "fenced" || failure === "statement") throw error;
      if (failure === "unmigrated") throw notMigrated(error);
      const wait = settings.backoffMs[retry];
      if (failure === "overloaded" || wait === undefined) throw storageUnavailable(error);
      await sleep(settings.timers, wait);
    }
  }
}
