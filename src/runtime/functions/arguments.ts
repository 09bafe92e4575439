import type { ResolvedFunction } from "../code/app.ts";
import type { JsonValue } from "../../shared/json.ts";
import { CodedError } from "../../shared/coded-error.ts";
import { formatBytes } from "../../values/format-bytes.ts";
import { type CheckedValue, checkConvexJsonText } from "../../values/convex-json.ts";
import { checkArgs, checkReturns, type TableNames } from "../../values/check-validator.ts";
import { mayExceedLimits } from "../../values/scan-json.ts";
import { FunctionError, plainFailure } from "./failure.ts";
import type { SizeLimits } from "./size-limits.ts";
import { returnTooLarge } from "./rpc-size.ts";

const NO_COMMIT_TS = "an unresolved commit timestamp can be passed only from a mutation to the functions it runs";

/**
 * Checks the arguments of a call before user code runs and returns them as the JSON text of an array.
 * `text` is a ConvexJSON array, or an object that stands for the single argument (S1-26). Only a mutation may pass
 * unresolved commit timestamps, to the functions in its transaction (`abi.md` §3.3). `tables`: those of the
 * function's component.
 */
export function checkArguments(
  found: Pick<ResolvedFunction, "path" | "args">,
  text: string,
  tables: TableNames,
  limits: SizeLimits,
  commitTs: "allowed" | "refused",
): string {
  const { path } = found;
  if (text.length > limits.argumentBytes) {
    throw new FunctionError(
      plainFailure(
        `Arguments for ${path.module}:${path.function} are too large (actual: ${formatBytes(text.length)}, limit: ${formatBytes(limits.argumentBytes)})${limits.notes.argsBytes ?? ""}`,
      ),
    );
  }
  const invalid = (reason: string): string => `Invalid arguments for ${path.module}:${path.function}: ${reason}`;
  const { value: args, hasCommitTs } = decode(text, invalid);
  if (hasCommitTs && commitTs === "refused") throw new FunctionError(plainFailure(invalid(NO_COMMIT_TS)));
  const list: readonly JsonValue[] = Array.isArray(args) ? args : [args];
  if (found.args !== null) {
    const mistake = checkArgs(found.args, list, tables);
    if (mistake !== null) throw new FunctionError(plainFailure(`${mistake}\n`));
  }
  return JSON.stringify(list);
}

/** Checks a return value against the limits and the `returns` validator. `text` is ConvexJSON. */
export function checkReturnValue(found: ResolvedFunction, text: string, tables: TableNames, limits: SizeLimits): void {
  const { path } = found;
  if (text.length > limits.returnBytes) {
    throw new FunctionError(plainFailure(returnTooLarge(found, text.length, limits)));
  }
  if (found.returns === null && !mayExceedLimits(text)) return;
  const { value } = decode(
    text,
    (reason) => `Function ${path.module}:${path.function} return value invalid: ${reason}`,
  );
  if (found.returns === null) return;
  const mistake = checkReturns(found.returns, value, tables);
  if (mistake !== null) throw new FunctionError(plainFailure(`${mistake}\n`));
}

/** A client of a query could never learn what the timestamp became. In ConvexJSON text only the placeholder reads so. */
export function refuseCommitTs({ path }: ResolvedFunction, text: string): void {
  if (!text.includes('{"$commitTs":null}')) return;
  const reason = "queries cannot return an unresolved commit timestamp";
  throw new FunctionError(plainFailure(`Function ${path.module}:${path.function} return value invalid: ${reason}`));
}

function decode(text: string, describe: (reason: string) => string): CheckedValue {
  try {
    return checkConvexJsonText(text);
  } catch (error) {
    if (error instanceof CodedError) throw new FunctionError(plainFailure(describe(error.message)));
    throw error;
  }
}
