import type { Log } from "../../shared/log.ts";
import {
  type CommitBatch,
  FencedError,
  type Head,
  type LoggedTransaction,
  OutOfRetentionError,
  type Persistence,
  UnknownOutcomeError,
} from "../persistence.ts";
import { sleep, type Timers } from "./ports.ts";

/** Times a batch may be refused while the head stands exactly where the batch expects it. */
const MAX_REFUSALS = 5;

/** `stored-then-fenced`: the batch is stored, but another writer has built on it since. */
export type StoreResult = "stored" | "fenced" | "stored-then-fenced";

/**
 * Stores one batch and finds out what became of it, however long that takes. After an unknown outcome only the
 * identical batch is sent, until storage says that it is stored or that another writer moved the head.
 *
 *     commit ─ ok ─────────────────────────────────────► stored
 *        ├─ unknown ─ wait ─ commit the same again ─ …
 *        └─ fenced ── read head ─ ours ────────────────► stored
 *                        ├─ as expected ─ wait ─ commit the same again
 *                        └─ another writer's ─ in log? ► stored-then-fenced │ fenced
 */
export class GroupStore {
  readonly #persistence: Persistence;
  readonly #timers: Timers;
  readonly #log: Log;
  readonly #resendInitialMs: number;
  readonly #resendMaxMs: number;

  constructor(
    persistence: Persistence,
    timers: Timers,
    log: Log,
    settings: { readonly resendInitialMs: number; readonly resendMaxMs: number },
  ) {
    this.#persistence = persistence;
    this.#timers = timers;
    this.#log = log;
    this.#resendInitialMs = settings.resendInitialMs;
    this.#resendMaxMs = settings.resendMaxMs;
  }

  async store(batch: CommitBatch): Promise<StoreResult> {
    let refusals = 0;
    for (let attempt = 0; ; attempt++) {
      if (attempt > 0) await sleep(this.#timers, this.#backoff(attempt));
      try {
        await this.#persistence.commit(batch);
        return "stored";
      } catch (error) {
        if (!(error instanceof UnknownOutcomeError) && !(error instanceof FencedError)) throw error;
        this.#log.warn("commit.unconfirmed", { attempt, ts: batch.ts, reason: error.name });
        // The first unknown outcome is most often answered by sending again.
        if (error instanceof UnknownOutcomeError && attempt === 0) continue;
        const head = await this.#head();
        if (head === null) continue;
        if (head.ts === batch.ts && head.writer === batch.writer) return "stored";
        if (head.ts !== batch.expected.ts || head.writer !== batch.expected.writer) {
          return (await this.#isLogged(batch)) ? "stored-then-fenced" : "fenced";
        }
        if (error instanceof FencedError) {
          refusals += 1;
          if (refusals === MAX_REFUSALS)
            throw new Error("Storage refuses a batch that fits its head", { cause: error });
        }
      }
    }
  }

  /** `null` when it can't be read at the moment. */
  async #head(): Promise<Head | null> {
    try {
      return (await this.#persistence.read([], "latest")).head;
    } catch (error) {
      this.#log.warn("commit.headUnreadable", { reason: error instanceof Error ? error.name : String(error) });
      return null;
    }
  }

  /** Another writer may have built on this batch before its answer arrived. */
  async #isLogged(batch: CommitBatch): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        const logged = await this.#persistence.log(batch.expected.ts, batch.transactions.length);
        return sameTransactions(logged, batch.transactions);
      } catch (error) {
        // The log of that time is gone for good. Callers gave up long before; who asks again finds what was recorded.
        if (error instanceof OutOfRetentionError)
          throw new Error("The fate of a commit is forgotten", { cause: error });
        this.#log.warn("commit.logUnreadable", {
          attempt,
          reason: error instanceof Error ? error.name : String(error),
        });
        await sleep(this.#timers, this.#backoff(attempt));
      }
    }
  }

  #backoff(attempt: number): number {
    return Math.min(this.#resendMaxMs, this.#resendInitialMs * 2 ** Math.min(attempt - 1, 16));
  }
}

function sameTransactions(a: readonly LoggedTransaction[], b: readonly LoggedTransaction[]): boolean {
  return (
    a.length === b.length &&
    a.every((transaction, i) => {
      const other = b[i];
      return (
        other !== undefined &&
        transaction.ts === other.ts &&
        transaction.keys.length === other.keys.length &&
        transaction.keys.every(([ref, key], k) => ref === other.keys[k]?.[0] && key === other.keys[k]?.[1])
      );
    })
  );
}
