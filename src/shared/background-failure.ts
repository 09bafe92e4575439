import { CodedError } from "./coded-error.ts";
import type { Log } from "./log.ts";

/**
 * Logs a failure of background work that is tried again by itself: a warning while the error is a retryable one
 * (storage overloaded, a writer fenced off), which is how such work is expected to meet a busy database; an error, with
 * stack and cause, for anything else.
 */
export function logBackgroundFailure(
  log: Log,
  event: string,
  error: unknown,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  if (!(error instanceof CodedError) || !error.retryable) return log.error(event, error, fields);
  const cause = error.cause instanceof Error ? { cause: String(error.cause) } : {};
  log.warn(event, { ...fields, code: error.code, reason: error.message, ...cause });
}
