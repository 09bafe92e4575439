import { AsyncLocalStorage } from "node:async_hooks";
import type { Call } from "./call.ts";

/** The call whose code is running. Empty while modules are imported and evaluated. */
const running = new AsyncLocalStorage<Call>();

export function currentCall(): Call | undefined {
  return running.getStore();
}

export function runWithin<T>(call: Call, body: () => T): T {
  return running.run(call, body);
}
