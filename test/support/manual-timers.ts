import type { Timers } from "../../src/persistence/d1/timers.ts";

/** Time that passes only when told. */
export class ManualTimers implements Timers {
  #now = 0;
  #pending: { readonly at: number; readonly run: () => void }[] = [];
  #waiters: { readonly ms: number; readonly resolve: () => void }[] = [];

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#pending.push(timer);
    this.#wake();
    return () => {
      this.#pending = this.#pending.filter((other) => other !== timer);
    };
  }

  /** Milliseconds until each pending timer fires, soonest first. */
  get pending(): number[] {
    return this.#pending.map(({ at }) => at - this.#now).toSorted((a, b) => a - b);
  }

  /** Resolves as soon as a timer is pending that fires in `ms` milliseconds. */
  whenPending(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push({ ms, resolve });
      this.#wake();
    });
  }

  advance(ms: number): void {
    this.#now += ms;
    const due = this.#pending.filter(({ at }) => at <= this.#now);
    this.#pending = this.#pending.filter(({ at }) => at > this.#now);
    for (const { run } of due) run();
  }

  #wake(): void {
    const { pending } = this;
    for (const { resolve } of this.#waiters.filter(({ ms }) => pending.includes(ms))) resolve();
    this.#waiters = this.#waiters.filter(({ ms }) => !pending.includes(ms));
  }
}
