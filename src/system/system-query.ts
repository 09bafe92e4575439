import type { GenericValidator, Infer, PropertyValidators } from "convex/values";
import { v } from "convex/values";
import { FunctionScope } from "../engine/function-scope.ts";
import type { Interval } from "../engine/interval.ts";
import type { IndexRef } from "../engine/persistence.ts";
import type { Identity } from "../protocol/identity.ts";
import type { CodeSource } from "../runtime/code/code-source.ts";
import { FunctionError, plainFailure } from "../runtime/functions/failure.ts";
import { isJsonObject, type JsonValue } from "../shared/json.ts";
import type { SystemMutationContext, SystemMutationFunction } from "../runtime/functions/system-mutation.ts";
import { compileValidator } from "../values/compile-validator.ts";
import type { Validator } from "../values/validator.ts";

/** Where the page of a subscribed query ends: `next` is what its next run gets as `previous`. */
export interface Paging {
  readonly previous: string | null;
  next: string | null;
}

/** What a system query reads from: one snapshot, and the deployment as it is at that snapshot. */
export interface SystemContext extends SystemMutationContext {
  readonly cloudUrl: string;
  readonly siteUrl: string;
  readonly code: CodeSource;
  readonly paging: Paging;
  /** The user's environment variables by name, built-in ones left out. */
  readonly variables: (values: ReadonlyMap<string, JsonValue>) => Promise<ReadonlyMap<string, string>>;
  /** What the result depends on besides what the transaction read. */
  dependOn(ref: IndexRef, interval: Interval): void;
}

/** The dashboard names the component this way, others in the request. `null`: the app itself. */
const componentId = v.optional(v.union(v.string(), v.null()));

export interface SystemQuery {
  readonly args: Validator;
  /** True: may scan whole tables, whatever their size. */
  readonly unbounded: boolean;
  /** `args` have passed the validator. The answer is ConvexJSON text. */
  run(context: SystemContext, args: JsonValue): Promise<string>;
}

type ArgsOf<Fields extends PropertyValidators> = { readonly [Name in keyof Fields]: Infer<Fields[Name]> };

/** A query that admins may call, read-only ones included. */
export function adminQuery<Fields extends PropertyValidators>(
  fields: Fields,
  handler: (context: SystemContext, args: ArgsOf<Fields>) => Promise<string> | string,
  { unbounded = false }: { readonly unbounded?: boolean } = {},
): SystemQuery {
  return {
    args: argumentsOf(fields),
    unbounded,
    async run(context, args) {
      requireAdmin(context.identity);
      // Checked against the validator that the type comes from; arguments here have no special values.
      return handler(inComponent(context, args), args as unknown as ArgsOf<Fields>);
    },
  };
}

/** A mutation that admins may call. What `v.any()` stands for is ConvexJSON, which the handler checks. */
export function adminMutation<Fields extends PropertyValidators>(
  fields: Fields,
  handler: (context: SystemMutationContext, args: ArgsOf<Fields>) => Promise<JsonValue>,
): SystemMutationFunction {
  return {
    args: argumentsOf(fields),
    async run(context, args) {
      requireAdmin(context.identity);
      return JSON.stringify(await handler(inComponent(context, args), args as unknown as ArgsOf<Fields>));
    },
  };
}

function argumentsOf(fields: PropertyValidators): Validator {
  return compileValidator(validatorJson(v.object({ ...fields, componentId })));
}

function inComponent<Context extends SystemMutationContext>(context: Context, args: JsonValue): Context {
  return inComponentOf(context, isJsonObject(args) ? args["componentId"] : undefined);
}

/** `component`: a component's id. Anything else leaves the one of the call. */
export function inComponentOf<Context extends SystemMutationContext>(
  context: Context,
  component: JsonValue | undefined,
): Context {
  if (typeof component !== "string" || component === context.component) return context;
  if (component !== "" && context.deployment.app?.component(component) == null) {
    throw new FunctionError(plainFailure(`Component ${component} not found.\n`));
  }
  return { ...context, component, database: new FunctionScope(context.transaction, component) };
}

/** The CLI shows this sentence as it is, without the stack around it. */
function requireAdmin(identity: Identity): void {
  if (identity.kind === "admin" || identity.kind === "system") return;
  throw new FunctionError(
    plainFailure("You do not have permission to perform this operation: system functions need an admin key.\n"),
  );
}

/** `json` is how the package itself exports validators; its types keep it to themselves. */
function validatorJson(validator: GenericValidator): JsonValue {
  return (validator as unknown as { readonly json: JsonValue }).json;
}
