import type { PropertyValidators } from "convex/values";
import { requireWriteAccess } from "../auth/authorization.ts";
import { FunctionScope } from "../engine/function-scope.ts";
import type { MutationCall } from "../protocol/execution.ts";
import { isPrivileged } from "../protocol/identity.ts";
import { checkArguments } from "../runtime/functions/arguments.ts";
import { FunctionError } from "../runtime/functions/failure.ts";
import type { NativeMutations } from "../runtime/functions/native-mutations.ts";
import type { SystemContext } from "../runtime/scheduling/job-table.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { JsonValue } from "../shared/json.ts";
import { displayPath } from "../values/function-path.ts";
import type { Validator } from "../values/validator.ts";
import { namedComponent } from "./named-component.ts";
import { type ArgsOf, argsValidator } from "./system-query.ts";

/** What a system mutation works on: the Transactor's transaction, and the component that the caller named. */
export interface MutationContext extends SystemContext {
  readonly database: FunctionScope;
}

export interface SystemMutation {
  readonly args: Validator;
  /** `args` have passed the validator; values of `v.any()` in them are ConvexJSON. So is what is resolved with. */
  run(context: MutationContext, args: JsonValue): Promise<JsonValue>;
}

/** A mutation that admins may call whose keys are not read-only. */
export function adminMutation<Fields extends PropertyValidators>(
  fields: Fields,
  run: (context: MutationContext, args: ArgsOf<Fields>) => Promise<JsonValue>,
): SystemMutation {
  return {
    args: argsValidator(fields),
    // Checked against the validator that the type comes from.
    run: (context, args) => run(context, args as unknown as ArgsOf<Fields>),
  };
}

/** By the path that people write. */
export class SystemMutations implements NativeMutations {
  readonly #mutations: ReadonlyMap<string, SystemMutation>;

  constructor(mutations: ReadonlyMap<string, SystemMutation>) {
    this.#mutations = mutations;
  }

  find(call: MutationCall): ((context: SystemContext) => Promise<string>) | null {
    const { path, args, identity } = call;
    const mutation = this.#mutations.get(displayPath(path));
    if (mutation === undefined || !isPrivileged(identity)) return null;
    return async (context) => {
      requireWriteAccess(identity);
      const { deployment, runtime, transaction } = context;
      const checkedText = checkArguments(
        { path, args: mutation.args },
        args,
        deployment.catalog,
        runtime.limits,
        "refused",
      );
      const [checked = null]: readonly JsonValue[] = JSON.parse(checkedText);
      const component = namedComponent(deployment, path.component, checked);
      const database = new FunctionScope(transaction, component);
      return JSON.stringify(await mutation.run({ ...context, database }, checked));
    };
  }
}

/** What the database refuses, as a `ConvexError` with its text: the dashboard shows the data of those. */
export async function asConvexError<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CodedError) || !error.catchable) throw error;
    const { message } = error;
    throw new FunctionError({ message: `Uncaught ConvexError: ${message}\n`, data: JSON.stringify(message) });
  }
}
