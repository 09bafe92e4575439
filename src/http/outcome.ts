import type { FunctionOutcome } from "../protocol/execution.ts";
import { errorMessage, logLineText, type TextOptions } from "../runtime/functions/outcome-text.ts";
import type { ValueFormat } from "../values/clean-json.ts";
import { formatText } from "./formats.ts";

export interface OutcomeOptions extends TextOptions {
  readonly format: ValueFormat;
}

/** JSON text of the 200 body of one function run (`wire.md` §2.5). Values are spliced in as text, never re-parsed. */
export function outcomeBody(outcome: FunctionOutcome, options: OutcomeOptions): string {
  const fields = outcome.ok ? successFields(outcome.value, options) : errorFields(outcome.error, options);
  if (!options.redact && outcome.logLines.length > 0) {
    fields.push(`"logLines":${JSON.stringify(outcome.logLines.map(logLineText))}`);
  }
  return `{${fields.join(",")}}`;
}

function successFields(value: string, { format }: OutcomeOptions): string[] {
  return [`"status":"success"`, `"value":${formatText(value, format)}`];
}

function errorFields(error: { readonly message: string; readonly data?: string }, options: OutcomeOptions): string[] {
  const fields = [`"status":"error"`, `"errorMessage":${JSON.stringify(errorMessage(error.message, options))}`];
  if (error.data !== undefined) fields.push(`"errorData":${formatText(error.data, options.format)}`);
  return fields;
}
