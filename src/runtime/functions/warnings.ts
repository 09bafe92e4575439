import type { Transaction } from "../../engine/transaction.ts";
import type { FunctionLogLine, FunctionOutcome } from "../../protocol/execution.ts";

/** Adds the system's lines about limits that were nearly reached (E-F-18). */
export function withWarnings(outcome: FunctionOutcome, transaction: Transaction, now: number): FunctionOutcome {
  const warnings = transaction.warnings();
  if (warnings.length === 0) return outcome;
  const lines = warnings.map(({ code, message }): FunctionLogLine => ({
    level: "WARN",
    messages: [message],
    isTruncated: false,
    timestamp: now,
    code: `warning:${code}`,
  }));
  return { ...outcome, logLines: [...outcome.logLines, ...lines] };
}
