import { CodedError } from "../../shared/coded-error.ts";

const SPREAD_OUT =
  "Too many concurrent requests in a short period of time. Spread out your requests out over time or throttle them to avoid errors.";

/** E-C-7: every slot stayed taken for the whole time a caller may wait. */
export function tooManyConcurrentMutations(limit: number, note: string): CodedError {
  return new CodedError(
    "RateLimited",
    "TooManyConcurrentRequests",
    `Too many concurrent requests. Your backend is limited to ${limit} concurrent mutations.${note}`,
  );
}

/** E-C-7c: waited too long behind other calls of the same function. */
export function expiredInQueue(): CodedError {
  return new CodedError("Overloaded", "ExpiredInQueue", SPREAD_OUT);
}

/** E-C-7c: the queue is full. */
export function queueFull(): CodedError {
  return new CodedError("Overloaded", "ExecuteFullError", SPREAD_OUT);
}

/** E-C-7c: the database does not confirm commits at the moment; nothing was run. */
export function committerStalled(): CodedError {
  return new CodedError("Overloaded", "WorkerOverloaded", SPREAD_OUT);
}

/** The caller's own transaction is in the group that is not confirmed: it may or may not be stored. */
export function outcomeUnknown(): CodedError {
  return new CodedError(
    "Overloaded",
    "CommitNotConfirmed",
    "The database did not confirm this mutation in time. It may still be stored: check before you send it again.",
  );
}

/** Nothing of the transaction is stored. */
export function fencedOff(cause: unknown): CodedError {
  return new CodedError(
    "Overloaded",
    "CommitterFenced",
    "Another writer took the database over before this mutation was committed. Nothing was written; try again.",
    { cause },
  );
}

/** E-C-11. */
export function tooManyWrites(bytesPerSecond: number, note: string): CodedError {
  return new CodedError(
    "RateLimited",
    "TooManyWrites",
    `Too many writes per second. Your deployment is limited to ${compactBytes(bytesPerSecond)} bytes written per 1s. ` +
      `Reduce your write rate or upgrade to a larger deployment.${note}`,
  );
}

export interface ConflictDetail {
  readonly table: string;
  /** Text form; `null` when the conflict is not about one known document. */
  readonly documentId: string | null;
  /** Function that wrote it. */
  readonly writer: string | null;
}

/** E-C-12. */
export function conflictAfterRetries(detail: ConflictDetail, functionName: string): CodedError {
  const who = detail.writer === functionName ? "Another call to this mutation" : `A call to "${detail.writer}"`;
  const which =
    detail.documentId === null || detail.writer === null
      ? ""
      : ` ${who} changed the document with ID "${detail.documentId}".`;
  return new CodedError(
    "OCC",
    "OptimisticConcurrencyControlFailure",
    `Documents read from or written to the "${detail.table}" table changed while this mutation was being run and on ` +
      `every subsequent retry.${which} See https://docs.convex.dev/error#1`,
  );
}

function compactBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  let amount = bytes;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${Number.isInteger(amount) ? amount : amount.toFixed(2)} ${units[unit]}`;
}
