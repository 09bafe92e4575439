import type { FileAddresses } from "../../engine/file-store.ts";
import type { FunctionScope } from "../../engine/function-scope.ts";
import type { ComponentPath } from "../../engine/names.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { FunctionOutcome, MutationCall } from "../../protocol/execution.ts";
import { type Identity, isPrivileged } from "../../protocol/identity.ts";
import type { JsonValue } from "../../shared/json.ts";
import { displayPath, moduleRole } from "../../values/function-path.ts";
import type { Validator } from "../../values/validator.ts";
import type { Deployment } from "../code/deployments.ts";
import { checkArguments } from "./arguments.ts";
import type { SizeLimits } from "./size-limits.ts";
import { tableNames } from "./table-names.ts";

export interface SystemMutationContext {
  readonly identity: Identity;
  readonly transaction: Transaction;
  readonly database: FunctionScope;
  readonly deployment: Deployment;
  readonly component: ComponentPath;
  readonly files: FileAddresses;
  /** Milliseconds. */
  readonly now: number;
}

/** A mutation of the backend itself, under a `_system/` path: no user code runs. */
export interface SystemMutationFunction {
  readonly args: Validator;
  /** `args` have passed the validator. The answer is ConvexJSON text. */
  run(context: SystemMutationContext, args: JsonValue): Promise<string>;
}

/** By the path that people write. */
export type SystemMutationFunctions = ReadonlyMap<string, SystemMutationFunction>;

/** For whoever is no admin there is none. */
export function findSystemMutation(
  functions: SystemMutationFunctions,
  { path, identity }: MutationCall,
): SystemMutationFunction | null {
  if (moduleRole(path.module) !== "system" || !isPrivileged(identity)) return null;
  return functions.get(displayPath(path)) ?? null;
}

/** In the transaction of the context; what it throws ends the mutation. */
export async function runSystemMutation(
  found: SystemMutationFunction,
  { path, args }: MutationCall,
  context: SystemMutationContext,
  limits: SizeLimits,
): Promise<FunctionOutcome> {
  const tables = tableNames(context.deployment.catalog, path.component);
  const checked = checkArguments({ path, args: found.args }, args, tables, limits, "refused");
  const [value = null]: readonly JsonValue[] = JSON.parse(checked);
  return { ok: true, value: await found.run(context, value), logLines: [] };
}
