import type { FunctionOutcome } from "../protocol/execution.ts";
import { isPrivileged } from "../protocol/identity.ts";
import type { ServerMessage } from "../protocol/sync.ts";
import { errorMessage, logLineText } from "../runtime/functions/outcome-text.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { SessionRequest, Settled } from "./session-work.ts";

/** `ts`: of the commit. */
export function mutationResponse(
  request: SessionRequest,
  outcome: FunctionOutcome,
  ts: number | null,
  redactErrors: boolean,
): ServerMessage {
  return { type: "MutationResponse", ...told(request, outcome, redactErrors), ts };
}

export function actionResponse(
  request: SessionRequest,
  outcome: FunctionOutcome,
  redactErrors: boolean,
): ServerMessage {
  return { type: "ActionResponse", ...told(request, outcome, redactErrors) };
}

function told({ requestId, contextId, identity }: SessionRequest, outcome: FunctionOutcome, redactErrors: boolean) {
  const redact = redactErrors && !isPrivileged(identity);
  const { data, message } = outcome.ok ? { data: undefined, message: "" } : outcome.error;
  return {
    requestId,
    result: outcome.ok
      ? ({ ok: true, value: outcome.value } as const)
      : ({
          ok: false,
          message: errorMessage(message, { requestId: contextId, redact }),
          ...(data === undefined ? {} : { data }),
        } as const),
    logLines: redact ? [] : outcome.logLines.map(logLineText),
  };
}

/**
 * Errors of a mutation's call that are the answer to it: the path is malformed, the key may not write. Everything
 * else is about the backend, and the client sends the mutation again on its next connection.
 */
export function isTold(error: unknown): boolean {
  return error instanceof CodedError && error.catchable;
}

/** An error that kept a function from having an outcome is told as its failure. */
export function outcomeOf(result: Settled<FunctionOutcome>): FunctionOutcome {
  return "error" in result ? refusal(result.error) : result.value;
}

function refusal(error: unknown): FunctionOutcome {
  const message = error instanceof CodedError ? error.message : "Your request couldn't be completed. Try again later.";
  const data = error instanceof CodedError ? error.data : undefined;
  return { ok: false, error: data === undefined ? { message } : { message, data }, logLines: [] };
}
