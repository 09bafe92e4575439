import { define } from "./define.ts";
import { failUncatchably, notInQueriesAndMutations, unsupportedAtImport } from "./forbidden.ts";
import { realClearInterval, realClearTimeout, realSetInterval, realSetTimeout } from "./originals.ts";
import { currentCall } from "./running.ts";

let nextTimerId = 1;

/** Forbidden timers still return an id: the failure is not catchable where it happens (`abi.md` §5.2). */
function refuse(name: string): number {
  failUncatchably(currentCall() === undefined ? unsupportedAtImport(name) : notInQueriesAndMutations(name));
  return nextTimerId++;
}

function start(name: "setTimeout" | "setInterval", callback: unknown, delay: unknown, args: unknown[]): number {
  const call = currentCall();
  if (call === undefined || call.deterministic) return refuse(name);
  if (typeof callback !== "function") {
    failUncatchably(
      new Error(
        `Not implemented: string handler for ${name}. Consider calling an action defined in Node.js instead ` +
          "(https://docs.convex.dev/functions/actions).",
      ),
    );
    return nextTimerId++;
  }
  const id = nextTimerId++;
  // What a callback throws has nobody to catch it: it ends the call, as it does in Node.
  const run = (): void => {
    try {
      Reflect.apply(callback, undefined, args);
    } catch (error) {
      call.fail({ kind: "unhandledRejection", error });
    }
  };
  const milliseconds = Number(delay) || 0;
  if (name === "setInterval") {
    const timer = realSetInterval(run, milliseconds);
    call.timers.set(id, () => realClearInterval(timer));
  } else {
    const timer = realSetTimeout(() => {
      call.timers.delete(id);
      run();
      call.wake();
    }, milliseconds);
    call.timers.set(id, () => realClearTimeout(timer));
  }
  return id;
}

function stop(id: unknown): void {
  const call = currentCall();
  if (call === undefined) return;
  const key = Number(id);
  const cancel = call.timers.get(key);
  if (cancel === undefined) return;
  cancel();
  call.timers.delete(key);
  call.wake();
}

export function installTimers(): void {
  define(globalThis, "setTimeout", function setTimeout(callback: unknown, delay?: unknown, ...args: unknown[]) {
    return start("setTimeout", callback, delay, args);
  });
  define(globalThis, "setInterval", function setInterval(callback: unknown, delay?: unknown, ...args: unknown[]) {
    return start("setInterval", callback, delay, args);
  });
  define(globalThis, "clearTimeout", function clearTimeout(id?: unknown) {
    stop(id);
  });
  define(globalThis, "clearInterval", function clearInterval(id?: unknown) {
    stop(id);
  });
  const timeout = AbortSignal.timeout.bind(AbortSignal);
  define(AbortSignal, "timeout", function (milliseconds: number): AbortSignal {
    const call = currentCall();
    if (call !== undefined && !call.deterministic) return timeout(milliseconds);
    refuse("setTimeout");
    return new AbortController().signal;
  });
}
