import { CodedError } from "../shared/coded-error.ts";
import type { HttpContext } from "./hono-env.ts";

/** Answers 408 with an empty body after `ms`. The work itself goes on: a mutation may still commit. */
export async function beforeTimeout<T>(work: Promise<T>, ms: number): Promise<T> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new CodedError("ClientDisconnect", "", "")), ms);
  try {
    return await Promise.race([work, timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets work with effects end when the client hangs up before the answer. */
export function keepAlive<T>(c: HttpContext, work: Promise<T>): Promise<T> {
  c.env?.keepAlive?.(work.then(ignore, ignore));
  return work;
}

/** The answer to the caller carries the result or the failure. */
function ignore(): void {}
