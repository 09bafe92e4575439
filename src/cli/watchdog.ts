import { setTimeout as sleep } from "node:timers/promises";

const INTERVAL_MS = 1000;

export interface WatchOptions {
  readonly url: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly restart: () => Promise<void>;
}

/**
 * Asks `url` again and again until `signal` aborts. Any answer at all is a sign of life, a refused connection is not
 * our business (the runtime ended and miniflare starts it again); only silence for `timeoutMs` calls `restart`.
 */
export async function watch({ url, timeoutMs, signal, restart }: WatchOptions): Promise<void> {
  while (!signal.aborted) {
    if (await silent(url, timeoutMs, signal)) await restart();
    await sleep(Math.min(INTERVAL_MS, timeoutMs), undefined, { signal, ref: false }).catch(ignoreAbort(signal));
  }
}

async function silent(url: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, deadline]) });
    await response.body?.cancel();
    return false;
  } catch {
    // Aborted by either signal, or the connection failed; only the deadline is silence.
    return deadline.aborted && !signal.aborted;
  }
}

function ignoreAbort(signal: AbortSignal) {
  return (error: unknown) => {
    if (!signal.aborted) throw error;
  };
}
