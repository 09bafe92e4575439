import type { Timers } from "../../src/engine/commit/ports.ts";
import type { Clock } from "../../src/shared/clock.ts";

/** Clock and timers that move only when everything else waits. */
export class VirtualTime implements Clock, Timers {
  #now = 1_700_000_000_000;
  #order = 0;
  #timers: { readonly at: number; readonly order: number; readonly callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, order: this.#order++, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }

  get pending(): number {
    return this.#timers.length;
  }

  /** Lets everything run that waits for no timer. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Moves time from timer to timer until the promise settles. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const watched = promise.finally(() => {
      settled = true;
    });
    watched.catch(() => undefined);
    for (;;) {
      await this.settle();
      if (settled) return watched;
      if (!this.fireNext()) throw new Error("Everything waits for everything: a deadlock");
    }
  }

  fireNext(): boolean {
    const next = this.#timers.toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
    if (next === undefined) return false;
    this.#timers = this.#timers.filter((other) => other !== next);
    this.#now = Math.max(this.#now, next.at);
    next.callback();
    return true;
  }
}
