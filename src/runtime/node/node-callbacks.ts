import type { SyscallResponse } from "../../protocol/invocation.ts";
import type { NodeSyscallRequest } from "../../protocol/node-actions.ts";
import { CodedError } from "../../shared/coded-error.ts";
import type { CurrentDeployment } from "../code/deployments.ts";
import type { ResolvedFunction } from "../code/app.ts";
import type { ActionExecution } from "../functions/action-execution.ts";
import { answerSyscall } from "../functions/action-capability.ts";
import type { ActionRunner } from "../functions/action-runner.ts";
import type { RuntimeEnvironment } from "../functions/environment.ts";
import type { ExecutionTokens, NodeExecution } from "./execution-token.ts";

type Callees = Pick<ActionExecution, "queries" | "committer" | "uploads"> & { readonly actions: ActionRunner };

/** Operations that may be sent again: a query changes nothing, a mutation carries an id of its own. */
const REPEATED: ReadonlySet<string> = new Set(["1.0/actions/query", "1.0/actions/mutation"]);

/**
 * Answers what running Node actions ask for, with the rights that their token says and with the same handlers as
 * actions of the default runtime.
 */
export class NodeCallbacks {
  readonly #runtime: RuntimeEnvironment;
  readonly #deployments: CurrentDeployment;
  readonly #callees: Callees;
  readonly #tokens: ExecutionTokens;

  constructor(runtime: RuntimeEnvironment, deployments: CurrentDeployment, callees: Callees, tokens: ExecutionTokens) {
    this.#runtime = runtime;
    this.#deployments = deployments;
    this.#callees = callees;
    this.#tokens = tokens;
  }

  /** Throws `CodedError` without a valid token (E-G-8), and what another attempt may cure. */
  async syscall({ token, op, args, idempotency }: NodeSyscallRequest): Promise<SyscallResponse> {
    const execution = await this.#execution(await this.#tokens.open(token), idempotency?.requestId ?? null);
    return answerSyscall(execution, op, args, REPEATED.has(op) ? isTransient : () => false);
  }

  /** `attempt`: the id that all attempts of one mutation share. */
  async #execution(running: NodeExecution, attempt: string | null): Promise<ActionExecution> {
    const { executionId, path, identity, context, depth } = running;
    const deployment = await this.#deployments.current();
    const { app } = deployment;
    if (app === null) throw new Error("a Node action runs without an app");
    return {
      runtime: this.#runtime,
      deployment: { ...deployment, app },
      found: resolved(path),
      call: { path, args: "[]", identity, context, visibility: "internal" },
      identityError: null,
      depth,
      executionId,
      idempotency: attempt === null ? null : { sessionId: executionId, requestId: attempt },
      ...this.#callees,
      onLog: () => undefined,
    };
  }
}

/** Failures that say nothing about the operation itself: busy, unreachable, or a bug of ours. */
function isTransient(error: unknown): boolean {
  return !(error instanceof CodedError) || (error.retryable && error.errorClass !== "OCC");
}

/** As much of it as operations look at. A push may have removed the function meanwhile. */
function resolved(path: NodeExecution["path"]): ResolvedFunction {
  return {
    path,
    target: { component: path.component, module: `app/${path.module}`, path: path.module, export: path.function },
    udfType: "Action",
    visibility: null,
    environment: "node",
    args: null,
    returns: null,
  };
}
