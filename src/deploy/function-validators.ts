import type { AnalyzedModule } from "../protocol/invocation.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { JsonValue } from "../shared/json.ts";
import { compileArgsValidator, compileValidator } from "../values/compile-validator.ts";
import { invalidModules } from "./push-error.ts";

/** Refuses validators that no call could be checked with (`abi.md` §1.3). */
export function checkValidators(modules: ReadonlyMap<string, AnalyzedModule>): void {
  for (const { path, functions } of modules.values()) {
    for (const { args, returns } of functions) {
      if (args !== null) check(path, "args", "argument", () => void compileArgsValidator(parsed(args)));
      if (returns === null || parsed(returns) === null) continue;
      check(path, "return value", "return value", () => void compileValidator(parsed(returns)));
    }
  }
}

function check(path: string, name: string, subject: string, compile: () => void): void {
  try {
    compile();
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    throw invalidModules(
      `Failed to analyze ${path}: Error in ${name} validator: ${error.message}\n` +
        `See https://docs.convex.dev/functions/validation for docs on how to do ${subject} validation.`,
    );
  }
}

function parsed(json: string): JsonValue {
  return JSON.parse(json) as JsonValue;
}
