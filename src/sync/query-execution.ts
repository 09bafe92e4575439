import type { FunctionCall } from "../protocol/execution.ts";
import { errorMessage, logLineText } from "../runtime/functions/outcome-text.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { Log } from "../shared/log.ts";
import { parseFunctionPath } from "../values/function-path.ts";
import type { ExecutedQuery, ShardParts } from "./ports.ts";
import { queryFailed, queryUpdated } from "./server-frames.ts";
import type { QueryVersion, SubscribedQuery } from "./subscribed-query.ts";

type ExecutionParts = Pick<ShardParts, "functions" | "log" | "redactErrors" | "digest" | "newRequestId">;

const NO_FAILURE = { message: "" };

/** Runs the query at `ts` for its audience. Throws what is about the backend, which clients are not shown. */
export async function executeQuery(
  parts: ExecutionParts,
  query: SubscribedQuery<unknown>,
  ts: number,
): Promise<QueryVersion> {
  const { call, audience } = query;
  const requestId = parts.newRequestId();
  const { outcome, reads, readsIdentity } = await executed(parts.log, async () => {
    const path = functionPath(call.udfPath, call.componentPath);
    const request: FunctionCall = {
      path,
      args: call.args,
      identity: audience.identity,
      context: { requestId, ip: null, userAgent: null, scheduledFunctionId: null, caller: "SyncWorker" },
      visibility: audience.visibility,
    };
    return parts.functions.runQuery(request, ts, query.journal);
  });
  const redact = parts.redactErrors && audience.visibility === "public";
  const logLines = redact ? [] : outcome.logLines.map(logLineText);
  const journal = outcome.journal ?? null;
  const seen = outcome.ok
    ? `v${outcome.value}`
    : `e${redact ? "" : outcome.error.message}\n${outcome.error.data ?? ""}`;
  const failed = outcome.ok
    ? null
    : {
        message: errorMessage(outcome.error.message, { requestId, redact }),
        ...(outcome.error.data === undefined ? {} : { data: outcome.error.data }),
      };
  return {
    from: ts,
    until: null,
    fingerprint: parts.digest(`${seen}\n${JSON.stringify(logLines)}`),
    text: outcome.ok
      ? queryUpdated(outcome.value, logLines, journal)
      : queryFailed(failed ?? NO_FAILURE, logLines, journal),
    journal,
    readsIdentity,
    reads,
  };
}

/** Mistakes of the call itself are the query's failure. */
async function executed(log: Log, run: () => Promise<ExecutedQuery>): Promise<ExecutedQuery> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof CodedError)) log.error("sync.query", error);
    if (!(error instanceof CodedError) || !error.catchable) throw error;
    const { message, data } = error;
    const failure = data === undefined ? { message } : { message, data };
    return { outcome: { ok: false, error: failure, logLines: [] }, reads: [], readsIdentity: false };
  }
}

export function functionPath(udfPath: string, component: string): FunctionCall["path"] {
  const { module, function: name } = parseFunctionPath(udfPath);
  return { component, module, function: name };
}
