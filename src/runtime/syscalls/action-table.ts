import { badRequest } from "../../shared/coded-error.ts";
import type { FunctionCall, FunctionFailure, FunctionOutcome } from "../../protocol/execution.ts";
import { type Identity, NO_IDENTITY, isPrivileged } from "../../protocol/identity.ts";
import type { FunctionPath } from "../../protocol/function-path.ts";
import type { ActionExecution } from "../functions/action-execution.ts";
import { FunctionError, plainFailure } from "../functions/failure.ts";
import { resolveAddress } from "../functions/reference.ts";
import type { ActionSyscall } from "./action-syscall.ts";
import { SyscallArguments } from "./arguments.ts";
import { getUserIdentity } from "./auth.ts";
import { checkDepth, createFunctionHandle } from "./functions.ts";
import { cancelFromAction, scheduleFromAction, scheduleInAction } from "./schedule.ts";
import { deploymentMetadata, functionMetadata, requestMetadata } from "./meta.ts";
import { vectorSearch } from "./vector-search.ts";
import { STORAGE_ACTION_SYSCALLS } from "./storage-in-actions.ts";

type Kind = "runQuery" | "runMutation" | "runAction";

/** Each call is a transaction (or an action) of its own. Server-side callers reach internal functions too. */
function calling(kind: Kind): ActionSyscall {
  return async (execution, json) => {
    const { runtime, deployment, found, call, depth, executionId } = execution;
    const args = new SyscallArguments(json, kind);
    const path = await resolveAddress(deployment.app, found.path.component, args, runtime.handles(deployment));
    const nested: FunctionCall = {
      path,
      args: JSON.stringify(args.value("args") ?? {}),
      identity: forwardedIdentity(call.identity, found.path, path),
      context: { ...call.context, caller: "Action", parentExecutionId: executionId },
      visibility: "internal",
    };
    const outcome = await run(execution, kind, nested, depth);
    if (!outcome.ok) throw new FunctionError(runtime.redactErrors ? redacted(outcome.error) : outcome.error);
    return outcome.value;
  };
}

/** The data of a `ConvexError` is for callers, its text is not (`abi.md` §5.5). */
function redacted({ data }: FunctionFailure): FunctionFailure {
  return plainFailure("Server Error", data);
}

async function run(
  execution: ActionExecution,
  kind: Kind,
  call: FunctionCall,
  depth: number,
): Promise<FunctionOutcome> {
  switch (kind) {
    case "runQuery":
      return (await execution.queries.run(call, null, null)).outcome;
    case "runMutation":
      return execution.committer.runMutation({ ...call, v: 1, idempotency: execution.idempotency ?? null });
    case "runAction":
      checkDepth(depth + 1, execution.runtime.limits);
      return execution.actions.run(call, depth + 1);
  }
}

/**
 * A user's identity stays in the app; admin and system identities go everywhere (`abi.md` §2.4). The user that an
 * admin acts as stays in the app like any other.
 */
function forwardedIdentity(identity: Identity, from: FunctionPath, to: FunctionPath): Identity {
  if (from.component === "" && to.component === "") return identity;
  if (identity.kind === "admin") return { ...identity, actingAs: null };
  return isPrivileged(identity) ? identity : NO_IDENTITY;
}

/** Every async operation of actions (`abi.md` §2.4). */
export const actionSyscalls: Readonly<Record<string, ActionSyscall>> = {
  "1.0/actions/query": calling("runQuery"),
  "1.0/actions/mutation": calling("runMutation"),
  "1.0/actions/action": calling("runAction"),
  "1.0/createFunctionHandle": ({ deployment, found, runtime }, args) =>
    createFunctionHandle(deployment.app, found.path.component, runtime.handles(deployment), args),
  "1.0/getUserIdentity": ({ call, identityError }) =>
    identityError === null ? getUserIdentity(call.identity) : Promise.reject(identityError),
  "1.0/getFunctionMetadata": ({ found }) => functionMetadata(found.path),
  "1.0/getDeploymentMetadata": ({ runtime }) => deploymentMetadata(runtime.instanceName),
  "1.0/getRequestMetadata": ({ call, found }) => requestMetadata(call.context, call.identity, found.udfType),
  "1.0/auditLog": () =>
    Promise.reject(badRequest("AuditLogNotSupportedInAction", "Audit logging is not yet supported in actions")),
  "1.0/createServiceToken": () =>
    Promise.reject(
      badRequest(
        "AiGatewayUnavailable",
        '`getServiceToken("ai-gateway")` isn\'t available on this deployment because the AI gateway is a Convex Cloud service. ' +
          "Deploy to Convex Cloud, or call your model provider directly with your own API key.",
      ),
    ),
  "1.0/getServiceUrl": () =>
    Promise.reject(
      badRequest(
        "AiGatewayUnavailable",
        "`getServiceUrl` isn't available on this deployment because the AI gateway is a Convex Cloud service. " +
          "Deploy to Convex Cloud, or call your model provider directly with your own API key.",
      ),
    ),
  "1.0/actions/schedule": scheduleFromAction,
  "1.0/actions/cancel_job": cancelFromAction,
  "1.0/schedule": scheduleInAction,
  "1.0/actions/vectorSearch": vectorSearch,
  ...STORAGE_ACTION_SYSCALLS,
};
