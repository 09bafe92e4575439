import type { App, ResolvedFunction } from "../code/app.ts";
import type { FunctionPath } from "../../protocol/function-path.ts";
import type { UdfType, Visibility } from "../../protocol/execution.ts";
import { displayPath } from "../../values/function-path.ts";
import { FunctionError, plainFailure } from "./failure.ts";

/** What a developer who sees the text of E-A-1 has most often forgotten. */
const HINT = "Did you forget to run `npx convex dev`?";

/** `messages:list in component 'a/b'`, as error texts name functions. */
export function describePath(path: FunctionPath): string {
  return `'${displayPath(path)}'${path.component === "" ? "" : ` in component '${path.component}'`}`;
}

/**
 * Finds the function a caller may run. Unknown and internal look the same, so that nothing tells a client that an
 * internal function exists (E-A-1). `expected: null` takes whatever kind it is.
 */
export function resolveFunction(
  app: App | null,
  path: FunctionPath,
  expected: UdfType | null,
  visibility: Visibility,
): ResolvedFunction {
  const found = app?.resolve(path) ?? null;
  if (found === null || (visibility === "public" && found.visibility !== "public")) {
    const what = expected === null ? "function" : "public function";
    throw new FunctionError(plainFailure(`Could not find ${what} for ${describePath(path)}. ${HINT}`));
  }
  if (expected !== null && found.udfType !== expected) {
    throw new FunctionError(
      plainFailure(
        `Trying to execute ${path.module}:${path.function}${path.component === "" ? "" : ` in component '${path.component}'`}` +
          ` as ${expected}, but it is defined as ${found.udfType}.`,
      ),
    );
  }
  return found;
}
