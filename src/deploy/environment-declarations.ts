import { badRequest, type CodedError } from "../shared/coded-error.ts";
import { isJsonObject, type JsonValue } from "../shared/json.ts";
import type { EnvironmentDeclaration } from "../protocol/app.ts";
import type { EnvironmentDeclarations } from "./definitions.ts";
import { typecheckError } from "./push-error.ts";

export type Declarations = Readonly<Record<string, EnvironmentDeclaration>>;

/** Variables are strings, so a declaration must be a validator of strings. `owner` is how the error names it. */
export function parseDeclarations(owner: string, declared: EnvironmentDeclarations): Declarations {
  return Object.fromEntries(
    declared.map(([name, { value, optional }]) => {
      const validator = JSON.parse(value) as JsonValue;
      if (!acceptsOnlyStrings(validator)) {
        throw typecheckError(
          `${owner} declares the environment variable "${name}" with a validator that isn't one of strings.`,
        );
      }
      return [name, { validator, optional: optional ?? false }];
    }),
  );
}

/** `value` never appears in an error: it may be a secret. */
export function matchesDeclaration(validator: JsonValue, value: string): boolean {
  if (!isJsonObject(validator)) return false;
  switch (validator["type"]) {
    case "any":
    case "string":
      return true;
    case "literal":
      return validator["value"] === value;
    case "union":
      return members(validator["value"]).some((member) => matchesDeclaration(member, value));
    default:
      return false;
  }
}

/** Checks the variables of the app against what it declares. Only names are told. */
export function checkRequired(declarations: Declarations, variables: ReadonlyMap<string, string>): void {
  const missing = Object.entries(declarations)
    .filter(([name, { optional }]) => !optional && !variables.has(name))
    .map(([name]) => name);
  if (missing.length > 0) throw missingVariables(missing);
  for (const [name, { validator }] of Object.entries(declarations)) {
    const value = variables.get(name);
    if (value !== undefined && !matchesDeclaration(validator, value)) throw mismatchedVariable(name);
  }
}

export function missingVariables(names: readonly string[]): CodedError {
  return badRequest(
    "MissingEnvironmentVariables",
    `Required environment variables are not set: ${names.join(", ")}. Set them in the Convex dashboard or CLI before pushing.`,
  );
}

export function mismatchedVariable(name: string): CodedError {
  return badRequest(
    "EnvironmentVariableTypeMismatch",
    `The value of environment variable "${name}" doesn't match the validator that convex.config.ts declares for it.`,
  );
}

function acceptsOnlyStrings(validator: JsonValue): boolean {
  if (!isJsonObject(validator)) return false;
  switch (validator["type"]) {
    case "any":
    case "string":
      return true;
    case "literal":
      return typeof validator["value"] === "string";
    case "union":
      return members(validator["value"]).every(acceptsOnlyStrings);
    default:
      return false;
  }
}

function members(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}
