import type { Call } from "./call.ts";
import { drained, realClearTimeout, realSetTimeout, quiescent } from "./originals.ts";
import { runWithin } from "./running.ts";

/**
 * Turns of the event loop that a call may spend with nothing to wait for before it counts as stuck. Operations of
 * the platform that nobody announces (reading a body, compiling WebAssembly) finish within it. Milliseconds.
 */
const IDLE_WAITS = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256];

export type Settled<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/**
 * Runs `body` as the code of `call` until its outcome is decided (`abi.md` §2.1.5): drain microtasks, fail on a
 * rejection nobody handles, stop when the handler has rejected, run the next batch; done when the queue is empty.
 * Returns undefined when the call was stopped: see `call.stop`.
 */
export async function drive<T>(call: Call, body: () => Promise<T>): Promise<Settled<T> | undefined> {
  let outcome: Settled<T> | undefined;
  const decide = (settled: Settled<T>): void => {
    outcome = settled;
    call.leftBehind = call.pendingOperations;
    call.wake();
  };
  call.startUserTime();
  runWithin(call, body).then(
    (value) => decide({ ok: true, value }),
    (error: unknown) => decide({ ok: false, error }),
  );
  let idle = 0;
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- a run loop
    if (call.ordered !== undefined) await quiescent();
    if (call.ordered?.pending !== true) await drained();
    call.stopUserTime();
    if (call.stop !== undefined) return undefined;
    const state = outcome as Settled<T> | undefined;
    if (state?.ok === false) return state;
    if (call.ordered?.pending === true) {
      idle = 0;
      if (!(await runBatch(call))) return undefined;
    } else if (state !== undefined) {
      return state;
    } else if (isBusy(call)) {
      idle = 0;
      await call.woken();
      call.startUserTime();
    } else {
      const wait = IDLE_WAITS[idle++];
      if (wait === undefined) {
        call.fail({ kind: "neverResolves", error: new Error("Returned promise will never resolve") });
        return undefined;
      }
      await wokenWithin(call, wait);
      call.startUserTime();
    }
  }
}

async function runBatch(call: Call): Promise<boolean> {
  try {
    await call.ordered?.runBatch();
    call.startUserTime();
    return true;
  } catch (error) {
    call.fail({ kind: "hostFailed", error });
    return false;
  }
}

/** Something is under way that will wake the call, or may and can't be seen. */
function isBusy(call: Call): boolean {
  return call.pendingOperations.length > 0 || call.timers.size > 0 || call.usedNetwork;
}

async function wokenWithin(call: Call, milliseconds: number): Promise<void> {
  const woken = call.woken();
  const timer = realSetTimeout(() => call.wake(), milliseconds);
  await woken;
  realClearTimeout(timer);
}
