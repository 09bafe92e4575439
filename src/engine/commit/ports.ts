import type { Timestamp } from "../timestamp.ts";

/** Timers, passed in so that a test decides when time passes. */
export interface Timers {
  /** Calls `callback` once after `ms` milliseconds. The result cancels it. */
  after(ms: number, callback: () => void): () => void;
}

/** Numbers in [0, 1), for jitter. */
export type Jitter = () => number;

/**
 * The largest timestamp that may have been issued, kept outside the database so that a restored database does not
 * take timestamps back.
 */
export interface HighWaterMark {
  load(): Promise<Timestamp | null>;
  /** Durable when it resolves. */
  store(mark: Timestamp): Promise<void>;
}

export function sleep(timers: Timers, ms: number): Promise<void> {
  return new Promise((resolve) => {
    timers.after(ms, resolve);
  });
}
