import type { Clock } from "../../shared/clock.ts";
import { sleep, type Timers } from "./ports.ts";

/** Milliseconds between two looks. */
const STEP_MS = 1;

/** A wait lasts this many times the usual time between two decisions before it is given up. */
const PATIENCE = 3;

/** Weight of the newest interval in the average. */
const ALPHA = 0.2;

/** What is gathered for. */
export interface Gathered {
  /** Members so far. */
  readonly size: number;
}

export interface GatheringParts {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Longest wait of one group. */
  readonly maxMs: number;
  /** Mutations that are running or wait for their turn. */
  readonly underway: () => number;
}

/**
 * How long a group waits for mutations that are about to be decided. One batch costs about as much as two or three
 * mutations, whatever is in it: without a wait, mutations that take turns would be stored one by one.
 *
 * The wait is over when no mutation is under way, when the time is up, and when nobody joined for a few times as long
 * as it usually takes: one step where that is not known. A fixed number would be too short on a busy machine, which
 * would then have a batch per mutation to do as well.
 */
export class Gathering {
  readonly #parts: GatheringParts;
  /** Average time between two decisions, of those that followed each other while mutations were under way. */
  #interval = 0;
  #joinedAt = 0;
  #crowded = false;
  #wake: (() => void) | null = null;

  constructor(parts: GatheringParts) {
    this.#parts = parts;
  }

  /** A mutation has joined the group that is open. */
  joined({ size }: Gathered): void {
    const { clock, maxMs, underway } = this.#parts;
    if (maxMs === 0) return;
    const now = clock.now();
    const interval = now - this.#joinedAt;
    if ((size > 1 || this.#crowded) && interval <= maxMs) this.#interval += ALPHA * (interval - this.#interval);
    this.#joinedAt = now;
    // Its turn ends with the work that is being done at the moment.
    if (this.#wake !== null) void Promise.resolve().then(() => underway() === 0 && this.#wake?.());
  }

  /** `isFull`: whether nobody may join any more. */
  async wait(group: Gathered, isFull: () => boolean): Promise<void> {
    const { maxMs, underway } = this.#parts;
    let patience = this.#patience;
    this.#crowded = underway() > 0;
    for (let waited = 0; waited < maxMs && !isFull() && underway() > 0; waited += STEP_MS) {
      const { size } = group;
      await this.#step();
      if (group.size > size) {
        patience = this.#patience;
        continue;
      }
      patience -= STEP_MS;
      if (patience > 0) continue;
      // Whoever is under way takes longer than others did.
      this.#interval /= 2;
      return;
    }
  }

  get #patience(): number {
    return Math.max(STEP_MS, PATIENCE * this.#interval);
  }

  async #step(): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await Promise.race([sleep(this.#parts.timers, STEP_MS), woken]);
    this.#wake = null;
  }
}
