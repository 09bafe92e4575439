import type { GenericValidator, Infer, PropertyValidators } from "convex/values";
import { v } from "convex/values";
import type { FileAddresses } from "../engine/file-store.ts";
import type { FunctionScope } from "../engine/function-scope.ts";
import type { Interval } from "../engine/interval.ts";
import type { ComponentPath } from "../engine/names.ts";
import type { IndexRef } from "../engine/persistence.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { Identity } from "../protocol/identity.ts";
import type { CodeSource } from "../runtime/code/code-source.ts";
import type { Deployment } from "../runtime/code/deployments.ts";
import { FunctionError, plainFailure } from "../runtime/functions/failure.ts";
import type { JsonValue } from "../shared/json.ts";
import { compileValidator } from "../values/compile-validator.ts";
import type { Validator } from "../values/validator.ts";

/** Where the pages of a subscribed query end: `next` is what its next run gets as `previous`. */
export interface Paging {
  readonly previous: string | null;
  next: string | null;
}

/** What a system query reads from: one snapshot, and the deployment as it is at that snapshot. */
export interface SystemContext {
  readonly identity: Identity;
  readonly transaction: Transaction;
  readonly database: FunctionScope;
  readonly deployment: Deployment;
  readonly component: ComponentPath;
  readonly cloudUrl: string;
  readonly siteUrl: string;
  readonly code: CodeSource;
  readonly files: FileAddresses;
  readonly paging: Paging;
  /** The user's environment variables by name, built-in ones left out. */
  readonly variables: (values: ReadonlyMap<string, JsonValue>) => Promise<ReadonlyMap<string, string>>;
  /** What the result depends on besides what the transaction read. */
  dependOn(ref: IndexRef, interval: Interval): void;
}

export interface SystemQuery {
  readonly args: Validator;
  /** True: may scan whole tables, whatever their size. */
  readonly unbounded: boolean;
  /** `args` have passed the validator. The answer is ConvexJSON text. */
  run(context: SystemContext, args: JsonValue): Promise<string>;
}

/** By which every function may be told the component to look at; that of the call is used without it. */
export const COMPONENT_ID = { componentId: v.optional(v.union(v.string(), v.null())) };

export type ArgsOf<Fields extends PropertyValidators> = { readonly [Name in keyof Fields]: Infer<Fields[Name]> };

/** A query that admins may call, read-only ones included. */
export function adminQuery<Fields extends PropertyValidators>(
  fields: Fields,
  handler: (context: SystemContext, args: ArgsOf<Fields>) => Promise<string> | string,
  { unbounded = false }: { readonly unbounded?: boolean } = {},
): SystemQuery {
  return {
    args: argsValidator(fields),
    unbounded,
    async run(context, args) {
      requireAdmin(context.identity);
      // Checked against the validator that the type comes from; arguments here have no special values.
      return handler(context, args as unknown as ArgsOf<Fields>);
    },
  };
}

/** The CLI shows this sentence as it is, without the stack around it. */
function requireAdmin(identity: Identity): void {
  if (identity.kind === "admin" || identity.kind === "system") return;
  throw new FunctionError(
    plainFailure("You do not have permission to perform this operation: system functions need an admin key.\n"),
  );
}

export function argsValidator(fields: PropertyValidators): Validator {
  return compileValidator(validatorJson(v.object({ ...COMPONENT_ID, ...fields })));
}

/** `json` is how the package itself exports validators; its types keep it to themselves. */
function validatorJson(validator: GenericValidator): JsonValue {
  return (validator as unknown as { readonly json: JsonValue }).json;
}
