import type { ComponentPath } from "../engine/names.ts";
import type { Deployment } from "../runtime/code/deployments.ts";
import { FunctionError, plainFailure } from "../runtime/functions/failure.ts";
import { isJsonObject, type JsonValue } from "../shared/json.ts";

/** The component that the arguments name, whose id is its path, or else that of the call. */
export function namedComponent(
  { app, catalog }: Pick<Deployment, "app" | "catalog">,
  called: ComponentPath,
  args: JsonValue,
): ComponentPath {
  const id = isJsonObject(args) ? args["componentId"] : undefined;
  if (typeof id !== "string") return called;
  const isMounted = id === "" || app?.component(id) !== undefined;
  // One that is mounted no more has its data still.
  if (!isMounted && ![...catalog.tables()].some(({ component }) => component === id)) {
    throw new FunctionError(plainFailure(`There is no component with the id "${id}".\n`));
  }
  return id;
}
