import { FunctionError, plainFailure } from "./failure.ts";

export interface TimeLimit {
  /** Rejects with E-C-1 when the time is over. */
  readonly expired: Promise<never>;
  cancel(): void;
}

/** The isolate can't be stopped from outside: its call loses its rights and its result is ignored. */
export function timeLimit(ms: number, note: string): TimeLimit {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const message = `Function execution timed out (maximum duration: ${ms / 1000}s)${note}`;
    reject(new FunctionError(plainFailure(message)));
  }, ms);
  promise.catch(() => undefined);
  return { expired: promise, cancel: () => clearTimeout(timer) };
}
