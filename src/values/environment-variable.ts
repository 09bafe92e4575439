import { badRequest } from "../shared/coded-error.ts";
import { ENVIRONMENT_LIMITS, type EnvironmentLimits } from "./limits.ts";
import { utf8Length } from "./utf8.ts";

/** Set by the backend itself; a variable of the same name that the developer sets wins (`abi.md` §4.9). */
export const BUILT_IN_VARIABLES = ["CONVEX_CLOUD_URL", "CONVEX_SITE_URL"] as const;

export function checkVariableName(name: string, limits: EnvironmentLimits = ENVIRONMENT_LIMITS): void {
  if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) {
    throw badRequest(
      "EnvironmentVariableNameInvalid",
      `The environment variable name ${name} is invalid. Environment variable names must begin with a letter and may only include characters a-z, A-Z, 0-9, and underscores.`,
    );
  }
  if (name.length > limits.nameLength) {
    throw badRequest(
      "EnvironmentVariableNameTooLong",
      `The environment variable name ${name} is too long. Environment variable names must be less than ${limits.nameLength}.${limits.notes?.envVarNameLength ?? ""}`,
    );
  }
}

export function checkVariableValue(value: string, limits: EnvironmentLimits = ENVIRONMENT_LIMITS): void {
  const bytes = utf8Length(value);
  if (bytes > limits.valueBytes) {
    throw badRequest(
      "EnvironmentVariableValueTooLarge",
      // The parenthesis stays open in the original text too.
      `The environment variable value is ${bytes} bytes, which is too large. (max size: ${limits.valueBytes}${limits.notes?.envVarValueBytes ?? ""}`,
    );
  }
}

/** Checks a whole set as it would be after a change: every name and value, their number and their total size. */
export function checkVariables(
  variables: Readonly<Record<string, string>>,
  limits: EnvironmentLimits = ENVIRONMENT_LIMITS,
): void {
  let total = 0;
  const entries = Object.entries(variables);
  for (const [name, value] of entries) {
    checkVariableName(name, limits);
    checkVariableValue(value, limits);
    total += name.length + utf8Length(value);
  }
  if (entries.length > limits.variables) {
    const note = limits.notes?.envVars ?? "";
    throw badRequest("EnvVarLimitMet", `The environment variable limit (${limits.variables}) has been met.${note}`);
  }
  if (total > limits.totalBytes) {
    throw badRequest(
      "EnvVarTotalSizeLimitMet",
      `The environment variables take ${total} bytes in total, which is too large. (max size: ${limits.totalBytes})${limits.notes?.envVarTotalBytes ?? ""}`,
    );
  }
}
