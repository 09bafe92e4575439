import type { Clock } from "../../shared/clock.ts";
import type { Timestamp } from "../timestamp.ts";
import type { HighWaterMark } from "./ports.ts";

/**
 * Issues commit timestamps: `max(previous + 1, now)` in microseconds, never below anything issued before, by this
 * object or by an earlier one. A timestamp may be shown to the outside only after `covered()` has resolved for it.
 *
 *     issued ts ──────────●                 ● mark, stored
 *                         └── reserve ──────┘   the next store happens when less than half of it is left
 */
export class TimestampOracle {
  readonly #clock: Clock;
  readonly #mark: HighWaterMark;
  readonly #reserveUs: number;
  #previous: number;
  #stored: number;
  #storing: { readonly mark: number; readonly done: Promise<void> } | null = null;

  constructor(clock: Clock, mark: HighWaterMark, reserveMs: number, previous: Timestamp, stored: Timestamp | null) {
    this.#clock = clock;
    this.#mark = mark;
    this.#reserveUs = reserveMs * 1000;
    this.#previous = Math.max(previous, stored ?? 0);
    this.#stored = stored ?? 0;
  }

  next(): Timestamp {
    this.#previous = Math.max(this.#previous + 1, Math.floor(this.#clock.now() * 1000));
    return this.#previous as Timestamp; // The one place where timestamps are made.
  }

  /** Resolves when the stored mark is at least `ts`, at once if it is. */
  async covered(ts: Timestamp): Promise<void> {
    if (this.#storing === null && ts + this.#reserveUs / 2 > this.#stored) this.#store(ts + this.#reserveUs);
    while (ts > this.#stored) {
      if (this.#storing === null) this.#store(ts + this.#reserveUs);
      await this.#storing?.done;
    }
  }

  #store(mark: number): void {
    const done = this.#mark.store(mark as Timestamp).then(
      () => {
        this.#stored = Math.max(this.#stored, mark);
        this.#storing = null;
      },
      (error: unknown) => {
        this.#storing = null;
        throw error;
      },
    );
    // Nobody may be waiting: the next `covered()` that needs the mark stores it again and sees its failure.
    done.catch(() => undefined);
    this.#storing = { mark, done };
  }
}
