import { badRequest } from "../../shared/coded-error.ts";
import { type JsonObject, type JsonValue, isJsonObject } from "../../shared/json.ts";
import { compareSemver, parseSemver } from "../../shared/semver.ts";
import type { ActionExecution } from "../functions/action-execution.ts";
import type { DatabaseExecution } from "../functions/database-execution.ts";
import { CANCEL_OP, SCHEDULE_OP } from "../scheduling/operations.ts";
import { cancelFunction, scheduleFunction, type Scheduling } from "../scheduling/schedule.ts";
import { SyscallArguments } from "./arguments.ts";

/** Since this version of the package a mutation that cancels itself fails; before, it only hears about it. */
const SELF_CANCEL_FAILS_SINCE = "1.50.0";

/** `1.0/schedule`: part of the mutation's own transaction. */
export async function schedule(execution: DatabaseExecution, json: JsonValue): Promise<string> {
  return JSON.stringify(await scheduleFunction(schedulingOf(execution), new SyscallArguments(json, "scheduler")));
}

/** `1.0/cancel_job`. */
export async function cancelJob(execution: DatabaseExecution, json: JsonValue): Promise<string> {
  const args = new SyscallArguments(json, "db.cancel_job");
  const result = await cancelFunction(schedulingOf(execution), args, execution.scope.ownJob ?? null);
  if (result === "itself") cancelsItself(execution);
  return "null";
}

/** `1.0/actions/schedule`: a transaction of its own, whatever becomes of the action (P-S-4). */
export async function scheduleFromAction(execution: ActionExecution, json: JsonValue): Promise<string> {
  return JSON.stringify(await execution.committer.runSystem({ v: 1, op: SCHEDULE_OP, args: order(execution, json) }));
}

/** `1.0/actions/cancel_job`. */
export async function cancelFromAction(execution: ActionExecution, json: JsonValue): Promise<string> {
  return JSON.stringify(await execution.committer.runSystem({ v: 1, op: CANCEL_OP, args: order(execution, json) }));
}

/** E-A-14. */
export function scheduleInAction(): Promise<never> {
  return Promise.reject(
    badRequest(
      "MutationSchedulerInAction",
      // The missing space is the original's.
      "The mutation scheduler is being used outside of a Convex mutation. Didyou mean to use `ctx.mutation` to access the database?",
    ),
  );
}

function order({ call, found }: ActionExecution, json: JsonValue): JsonObject {
  const { scheduledFunctionId, scheduledFunctionComponent } = call.context;
  return {
    component: found.path.component,
    // What is no object is refused like one that lacks everything.
    request: isJsonObject(json) ? json : {},
    scheduledFunctionId,
    ...(scheduledFunctionComponent === undefined ? {} : { scheduledFunctionComponent }),
  };
}

function schedulingOf({ scope, component }: DatabaseExecution): Scheduling {
  const { transaction, deployment, runtime, context, now } = scope;
  return {
    transaction,
    component,
    app: deployment.app,
    handles: runtime.handles(deployment),
    parent: context,
    now,
  };
}

/** E-B-11. */
function cancelsItself(execution: DatabaseExecution): void {
  const { deployment, runtime } = execution.scope;
  const version = parseSemver(deployment.app.version.npmVersion);
  const since = parseSemver(SELF_CANCEL_FAILS_SINCE);
  if (version !== null && since !== null && compareSemver(version, since) >= 0) {
    throw badRequest("ScheduledFunctionCancelingItself", "A mutation cannot cancel itself");
  }
  execution.addHostLine({
    level: "WARN",
    messages: [
      "A scheduled mutation canceling itself is deprecated and will throw an error in a future version of Convex.",
    ],
    isTruncated: false,
    timestamp: runtime.clock.now(),
  });
}
