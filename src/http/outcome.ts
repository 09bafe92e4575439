import type { FunctionLogLine, FunctionOutcome } from "../protocol/execution.ts";
import type { ValueFormat } from "../values/clean-json.ts";
import { formatText } from "./formats.ts";

export interface OutcomeOptions {
  readonly format: ValueFormat;
  readonly requestId: string;
  /** Keep messages and log lines from the caller. `errorData` was meant for callers and always goes out. */
  readonly redact: boolean;
}

/** JSON text of the 200 body of one function run (`wire.md` §2.5). Values are spliced in as text, never re-parsed. */
export function outcomeBody(outcome: FunctionOutcome, options: OutcomeOptions): string {
  const fields = outcome.ok ? successFields(outcome.value, options) : errorFields(outcome.error, options);
  if (!options.redact && outcome.logLines.length > 0) {
    fields.push(`"logLines":${JSON.stringify(outcome.logLines.map(logLineText))}`);
  }
  return `{${fields.join(",")}}`;
}

/** `[LEVEL] a b`. JavaScript clients parse the level back out. */
export function logLineText(line: FunctionLogLine): string {
  return `[${line.level}] ${line.messages.join(" ")}${line.isTruncated ? " (truncated due to length)" : ""}`;
}

function successFields(value: string, { format }: OutcomeOptions): string[] {
  return [`"status":"success"`, `"value":${formatText(value, format)}`];
}

function errorFields(error: { readonly message: string; readonly data?: string }, options: OutcomeOptions): string[] {
  const fields = [`"status":"error"`, `"errorMessage":${JSON.stringify(errorMessage(error.message, options))}`];
  if (error.data !== undefined) fields.push(`"errorData":${formatText(error.data, options.format)}`);
  return fields;
}

function errorMessage(message: string, { requestId, redact }: OutcomeOptions): string {
  const redacted = `[Request ID: ${requestId}] Server Error`;
  if (redact) return redacted;
  // Every line ends with a newline, the last one too.
  return `${redacted}\n${message}${message.endsWith("\n") ? "" : "\n"}`;
}
