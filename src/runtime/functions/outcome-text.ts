import type { FunctionLogLine } from "../../protocol/execution.ts";

/** What a caller may see of a failure (`wire.md` §2.5.1). */
export interface TextOptions {
  readonly requestId: string;
  /** Keep messages and log lines from the caller. `errorData` was meant for callers and always goes out. */
  readonly redact: boolean;
}

/** `[LEVEL] a b`. JavaScript clients parse the level back out. */
export function logLineText(line: FunctionLogLine): string {
  return `[${line.level}] ${line.messages.join(" ")}${line.isTruncated ? " (truncated due to length)" : ""}`;
}

export function errorMessage(message: string, { requestId, redact }: TextOptions): string {
  const redacted = `[Request ID: ${requestId}] Server Error`;
  if (redact) return redacted;
  // Every line ends with a newline, the last one too.
  return `${redacted}\n${message}${message.endsWith("\n") ? "" : "\n"}`;
}
