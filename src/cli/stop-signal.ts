export interface StopSignal extends Disposable {
  /** Aborted when the process is asked to stop. */
  readonly signal: AbortSignal;
  /** Resolves at the same moment. */
  readonly requested: Promise<void>;
}

/**
 * Listens for SIGINT, SIGTERM and SIGHUP, and for the end of the wrapper process that started this one. Repeated
 * signals (a terminal sends SIGINT to the wrapper as well as to us) change nothing.
 */
export function stopSignal(): StopSignal {
  const controller = new AbortController();
  const stop = () => controller.abort();
  const events = ["SIGINT", "SIGTERM", "SIGHUP", "disconnect"] as const;
  for (const event of events) process.on(event, stop);
  return {
    signal: controller.signal,
    requested: new Promise((resolve) => {
      controller.signal.addEventListener("abort", () => resolve(), { once: true });
    }),
    [Symbol.dispose]: () => {
      for (const event of events) process.off(event, stop);
    },
  };
}
