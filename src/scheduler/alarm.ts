import type { Clock } from "../shared/clock.ts";

/** The one alarm of a Durable Object. Setting it writes a row. */
export interface AlarmStorage {
  /** Milliseconds since the epoch. Replaces the one that is set. Never throws. */
  set(at: number): void;
}

/** An alarm nearer than this to the one that is set is not worth a row. */
const CLOSE_MS = 1;

/** Keeps the alarm at the earliest time that was asked for. */
export class Alarm {
  readonly #storage: AlarmStorage;
  readonly #clock: Clock;
  /** `null`: none is set, as far as is known. One that is set without being known does no harm. */
  #at: number | null = null;

  constructor(storage: AlarmStorage, clock: Clock) {
    this.#storage = storage;
    this.#clock = clock;
  }

  fired(): void {
    this.#at = null;
  }

  by(at: number): void {
    const now = this.#clock.now();
    // One that should have gone off long ago was lost.
    const standing = this.#at !== null && this.#at > now - 1000 ? this.#at : null;
    if (standing !== null && standing <= at + CLOSE_MS) return;
    this.#at = Math.max(at, now);
    this.#storage.set(this.#at);
  }
}
