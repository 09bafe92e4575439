import { approaching } from "../../engine/limit-texts.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { FunctionCall, FunctionLogLine, FunctionOutcome } from "../../protocol/execution.ts";
import type { SizeLimits } from "./size-limits.ts";

/** Share of a limit from which on a line says so (E-F-18). */
const WARN_AT = 0.8;

const SIZE_TEXTS = {
  function: {
    arguments: ["TooLargeFunctionArguments", "Large size of the function arguments"],
    result: ["TooLargeFunctionResult", "Large size of the function return value"],
  },
  action: {
    arguments: ["FunctionArgumentsTooLarge", "Large size of the action arguments"],
    result: ["TooLargeFunctionResult", "Large size of the action return value"],
  },
} as const;

interface Finished {
  readonly call: FunctionCall;
  readonly transaction: Transaction;
  readonly limits: SizeLimits;
  readonly now: number;
}

/** Adds the system's lines about limits that were nearly reached, for the function that the client called. */
export function withWarnings(outcome: FunctionOutcome, { call, transaction, limits, now }: Finished): FunctionOutcome {
  const lines = [
    ...sizeWarnings("function", call.args.length, outcome.ok ? outcome.value.length : 0, limits, now),
    ...transaction.warnings().map(({ code, message }) => warning(code, message, now)),
  ];
  return lines.length === 0 ? outcome : { ...outcome, logLines: [...outcome.logLines, ...lines] };
}

export function sizeWarnings(
  of: keyof typeof SIZE_TEXTS,
  argumentBytes: number,
  returnBytes: number,
  limits: SizeLimits,
  now: number,
): FunctionLogLine[] {
  const lines: FunctionLogLine[] = [];
  const add = ([code, text]: readonly [string, string], actual: number, limit: number): void => {
    const message = approaching(text, actual, limit, " bytes", WARN_AT);
    if (message !== null) lines.push(warning(code, `${message}.`, now));
  };
  add(SIZE_TEXTS[of].arguments, argumentBytes, limits.argumentBytes);
  add(SIZE_TEXTS[of].result, returnBytes, limits.returnBytes);
  return lines;
}

/** `null` unless a query or mutation took more than four fifths of its JavaScript time. */
export function durationWarning(userTimeMs: number, limitMs: number, now: number): FunctionLogLine | null {
  if (userTimeMs <= limitMs * WARN_AT || userTimeMs > limitMs) return null;
  const message = `Function execution took a long time. (maximum duration: ${limitMs / 1000}s, actual duration: ${Math.round(userTimeMs)}ms).`;
  return warning("UserTimeout", message, now);
}

function warning(code: string, message: string, now: number): FunctionLogLine {
  return { level: "WARN", messages: [message], isTruncated: false, timestamp: now, code: `warning:${code}` };
}
