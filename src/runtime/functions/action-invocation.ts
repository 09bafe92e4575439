import type { Invocation } from "../../protocol/invocation.ts";
import { toHex } from "../../shared/bytes.ts";
import type { ActionExecution } from "./action-execution.ts";

/** What the isolate is told of an action that begins now. `args`: JSON of their array. */
export function actionInvocation(
  kind: "action" | "httpAction",
  { runtime, deployment, found, call }: ActionExecution,
  args: string,
): Invocation {
  return {
    kind,
    target: found.target,
    args,
    requestId: call.context.requestId,
    now: runtime.clock.now(),
    seed: toHex(runtime.random.bytes(16)).toLowerCase(),
    tablesVersion: String(deployment.catalog.ts),
    limits: runtime.limits.invocation,
  };
}
