import { requireWriteAccess } from "../auth/authorization.ts";
import type { FunctionCall, FunctionOutcome } from "../protocol/execution.ts";
import { isPrivileged } from "../protocol/identity.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { Log } from "../shared/log.ts";
import type { Client } from "./client.ts";
import type { ShardParts } from "./ports.ts";
import { functionPath } from "./query-execution.ts";
import type { SessionRequest, Settled } from "./session-work.ts";

const MUTATION_ATTEMPTS = 4;
const MUTATION_RETRY_MS = 100;

type CallParts = Pick<ShardParts, "functions" | "timers" | "log">;

/** Once, whatever becomes of the calls in between. */
export async function callMutation(
  parts: CallParts,
  client: Client,
  request: SessionRequest,
): Promise<Settled<FunctionOutcome>> {
  const { sessionId, requestId, firstConnection } = request;
  for (let attempt = 1; ; attempt++) {
    // oxlint-disable-next-line no-await-in-loop -- an attempt follows from the failure of the one before
    const result = await settled(parts.log, async () => {
      requireWriteAccess(request.identity);
      return parts.functions.runMutation({
        ...functionCall(client, request),
        v: 1,
        idempotency:
          sessionId === null
            ? null
            : {
                sessionId,
                requestId: String(requestId),
                ...(firstConnection && attempt === 1 ? { fresh: true } : {}),
              },
      });
    });
    const again = sessionId !== null && "error" in result && mayRetry(result.error);
    if (!again || attempt === MUTATION_ATTEMPTS || client.session.closed) return result;
    // oxlint-disable-next-line no-await-in-loop -- as above
    await new Promise<void>((resolve) => parts.timers.after(MUTATION_RETRY_MS * 2 ** attempt, resolve));
  }
}

/** At most once. */
export function callAction(
  parts: CallParts,
  client: Client,
  request: SessionRequest,
): Promise<Settled<FunctionOutcome>> {
  return settled(parts.log, async () => {
    requireWriteAccess(request.identity);
    return parts.functions.runAction(functionCall(client, request));
  });
}

/** Never rejects. What is no mistake of the caller's is logged. */
export async function settled<T>(log: Log, work: () => Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    if (!(error instanceof CodedError)) log.error("sync.failed", error);
    return { error };
  }
}

function functionCall({ connection }: Client, request: SessionRequest): FunctionCall {
  const { identity, contextId } = request;
  return {
    path: functionPath(request.udfPath, request.componentPath),
    args: request.args,
    identity,
    context: {
      requestId: contextId,
      ip: connection.ip,
      userAgent: connection.userAgent,
      scheduledFunctionId: null,
      caller: "SyncWorker",
    },
    visibility: isPrivileged(identity) ? "internal" : "public",
  };
}

/** With ids, the same request may be sent again: it is never run twice. */
function mayRetry(error: unknown): boolean {
  return error instanceof CodedError && error.retryable;
}
