import { failImport } from "./import-phase.ts";
import { currentCall } from "./running.ts";

/**
 * The platform reports a rejection that nobody handled when the microtasks have drained, in the asynchronous context
 * of the promise: so it fails the call it belongs to and no other in the isolate (`abi.md` §1.9).
 */
export function watchUnhandledRejections(): void {
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    const call = currentCall();
    if (call !== undefined) call.fail({ kind: "unhandledRejection", error: event.reason });
    else failImport(event.reason instanceof Error ? event.reason : new Error(String(event.reason)));
  });
}
