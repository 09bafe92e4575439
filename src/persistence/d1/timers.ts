/** Time as the adapter needs it, passed in so that tests decide when it passes. */
export interface Timers {
  /** Calls `run` once after `ms` milliseconds unless the returned function is called first. */
  after(ms: number, run: () => void): () => void;
}

export const systemTimers: Timers = {
  after(ms, run) {
    const handle = setTimeout(run, ms);
    return () => {
      clearTimeout(handle);
    };
  },
};

/** Rejects with `late()` when `work` isn't done after `ms`. The work goes on; nobody hears of its end. */
export async function withTimeout<T>(timers: Timers, ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const cancel = timers.after(ms, () => {
    reject(late());
  });
  try {
    return await Promise.race([work, promise]);
  } finally {
    cancel();
  }
}

export function sleep(timers: Timers, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  timers.after(ms, resolve);
  return promise;
}
