import { badRequest } from "../../shared/coded-error.ts";
import type { JsonValue } from "../../shared/json.ts";
import { ownValue } from "../../shared/own-value.ts";
import { parseBudget } from "./budget.ts";
import { SyscallArguments } from "./arguments.ts";
import type { App } from "../code/app.ts";
import type { DatabaseExecution } from "../functions/database-execution.ts";
import type { RuntimeLimits } from "../functions/environment.ts";
import { FunctionError } from "../functions/failure.ts";
import { type FunctionHandles, resolveAddress } from "../functions/reference.ts";
import { resolveFunction } from "../functions/resolve.ts";

/** What a kind of function may call in its own transaction, by `udfType` of the syscall (`abi.md` §2.3.6). */
const NESTED: Readonly<Record<string, { readonly as: "Query" | "Mutation"; readonly from: readonly string[] }>> = {
  query: { as: "Query", from: ["Query", "Mutation"] },
  snapshotQuery: { as: "Query", from: ["Mutation"] },
  mutation: { as: "Mutation", from: ["Mutation"] },
};

/**
 * `ctx.runQuery` and `ctx.runMutation` inside a query or mutation: a sub-transaction. The writes of a mutation that
 * fails vanish, its reads and those of a failing query stay in the read set.
 */
export async function runUdf(execution: DatabaseExecution, json: JsonValue): Promise<string> {
  const { scope, found } = execution;
  const args = new SyscallArguments(json, "runUdf");
  const udfType = args.string("udfType");
  const rule = ownValue(NESTED, udfType);
  if (rule === undefined || !rule.from.includes(found.udfType)) {
    throw badRequest("InvalidFunctionCall", `Cannot call a ${udfType} function from a ${found.udfType} function`);
  }
  checkDepth(scope.depth + 1, scope.runtime.limits);
  const { app } = scope.deployment;
  const path = await resolveAddress(app, execution.component, args, scope.runtime.handles(scope.deployment));
  const callee = resolveFunction(app, path, rule.as, "internal");
  const transaction = udfType === "snapshotQuery" ? scope.transaction.staleView() : scope.transaction;
  const nested = scope.transaction.begin(parseBudget(args));
  const outcome = await execution.runNested(callee, JSON.stringify(args.value("args") ?? {}), transaction);
  if (outcome.ok) {
    nested.commit();
    return outcome.value;
  }
  nested.rollback();
  throw new FunctionError(outcome.error);
}

/** E-A-10. */
export function checkDepth(depth: number, { nestingDepth, notes }: RuntimeLimits): void {
  if (depth <= nestingDepth) return;
  throw badRequest(
    "MaximumCallDepthExceeded",
    `Cross component call depth limit exceeded. Do you have an infinite loop in your app?${notes.nestingDepth ?? ""}`,
  );
}

/** `createFunctionHandle(ref)`: a stable string for a function of this app. A handle passed in comes back unchanged. */
export async function createFunctionHandle(
  app: App,
  component: string,
  handles: FunctionHandles,
  json: JsonValue,
): Promise<string> {
  const args = new SyscallArguments(json, "createFunctionHandle");
  const given = args.optionalString("functionHandle");
  if (given !== null) return JSON.stringify(given);
  const path = await resolveAddress(app, component, args, handles);
  if (app.resolve(path) === null) {
    throw badRequest("FunctionHandleNotFound", "Function handle not found");
  }
  return JSON.stringify(await handles.create(path));
}
