import type { FunctionKind, Invocation } from "../../protocol/invocation.ts";
import { toHex } from "../../shared/bytes.ts";
import type { ResolvedFunction } from "../code/app.ts";
import type { Deployment } from "../code/deployments.ts";
import type { RuntimeEnvironment } from "./environment.ts";

export interface InvokedFunction {
  readonly runtime: Pick<RuntimeEnvironment, "random" | "limits">;
  readonly deployment: Deployment;
  readonly found: ResolvedFunction;
  readonly requestId: string;
  /** Milliseconds. */
  readonly now: number;
}

/** What the isolate is told of a function that begins now. `args`: JSON of their array. */
export function newInvocation(
  kind: FunctionKind,
  { runtime, deployment, found, requestId, now }: InvokedFunction,
  args: string,
): Invocation {
  return {
    kind,
    target: found.target,
    args,
    requestId,
    now,
    seed: toHex(runtime.random.bytes(16)).toLowerCase(),
    tablesVersion: String(deployment.catalog.ts),
    limits: runtime.limits.invocation,
  };
}
