import type { ResolvedFunction } from "../code/app.ts";
import type { Catalog } from "../../engine/catalog.ts";
import type { JsonValue } from "../../shared/json.ts";
import { CodedError } from "../../shared/coded-error.ts";
import { formatBytes } from "../../values/format-bytes.ts";
import { parseConvexJson } from "../../values/convex-json.ts";
import { checkArgs, checkReturns } from "../../values/check-validator.ts";
import { FunctionError, plainFailure } from "./failure.ts";
import { tableNames } from "./table-names.ts";

export interface SizeLimits {
  readonly argumentBytes: number;
  readonly returnBytes: number;
}

/**
 * Checks the arguments of a call before user code runs and returns them as the JSON text of an array.
 * `text` is a ConvexJSON array, or an object that stands for the single argument (S1-26).
 */
export function checkArguments(
  found: Pick<ResolvedFunction, "path" | "args">,
  text: string,
  catalog: Catalog,
  limits: SizeLimits,
): string {
  const { path } = found;
  if (text.length > limits.argumentBytes) {
    throw new FunctionError(
      plainFailure(
        `Arguments for ${path.module}:${path.function} are too large (actual: ${formatBytes(text.length)}, limit: ${formatBytes(limits.argumentBytes)})`,
      ),
    );
  }
  const args = decode(text, (reason) => `Invalid arguments for ${path.module}:${path.function}: ${reason}`);
  const list: readonly JsonValue[] = Array.isArray(args) ? args : [args];
  if (found.args !== null) {
    const mistake = checkArgs(found.args, list, tableNames(catalog, path.component));
    if (mistake !== null) throw new FunctionError(plainFailure(`${mistake}\n`));
  }
  return JSON.stringify(list);
}

/** Checks a return value against the limits and the `returns` validator. `text` is ConvexJSON. */
export function checkReturnValue(found: ResolvedFunction, text: string, catalog: Catalog, limits: SizeLimits): void {
  const { path } = found;
  if (text.length > limits.returnBytes) {
    throw new FunctionError(
      plainFailure(
        `Function ${path.module}:${path.function} return value is too large (actual: ${formatBytes(text.length)}, limit: ${formatBytes(limits.returnBytes)})`,
      ),
    );
  }
  if (found.returns === null) return;
  const value = decode(text, (reason) => `Function ${path.module}:${path.function} return value invalid: ${reason}`);
  const mistake = checkReturns(found.returns, value, tableNames(catalog, path.component));
  if (mistake !== null) throw new FunctionError(plainFailure(`${mistake}\n`));
}

function decode(text: string, describe: (reason: string) => string): JsonValue {
  try {
    return parseConvexJson(text);
  } catch (error) {
    if (error instanceof CodedError) throw new FunctionError(plainFailure(describe(error.message)));
    throw error;
  }
}
