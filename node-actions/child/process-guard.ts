import { invocations, type Invocation } from "./invocation.ts";

/** What user code throws when it asks the process to end. Reported even if it is caught. */
class ProcessExitError extends Error {
  override readonly name = "process.exit";
}

export interface Guarded {
  /** The call that runs now. */
  current(): Invocation | undefined;
  /** `event`: the one that Node raised, if its name belongs before the message. */
  fail(invocation: Invocation, error: unknown, event?: string): void;
  /** Of a call that has ended. */
  stray(invocation: Invocation, error: unknown): void;
}

/**
 * Whatever would end a process ends the call it belongs to instead, told by the async context. What belongs to no call
 * counts for the one that runs.
 */
export function guardProcess(guarded: Guarded): void {
  const report = (error: unknown, event?: string): void => {
    const running = guarded.current();
    const owner = invocations.getStore() ?? running;
    if (owner === undefined) return;
    if (owner === running) guarded.fail(owner, error, event);
    else guarded.stray(owner, error);
  };
  process.on("uncaughtException", (error) => report(error, "uncaughtException"));
  process.on("unhandledRejection", (reason) => report(reason));
  process.exit = (code?: number | string | null): never => {
    const given = code ?? process.exitCode;
    const suffix = given === undefined ? "with no exit code" : `with exit code ${given}`;
    const error = new ProcessExitError(`process.exit() called ${suffix}`);
    report(error);
    throw error;
  };
  // A core dump of a whole process is no way to end a call.
  process.abort = (): never => {
    const error = new ProcessExitError("process.abort() called");
    report(error);
    throw error;
  };
}
