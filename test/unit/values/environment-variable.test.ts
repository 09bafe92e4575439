import { expect, test } from "vitest";
import { checkVariableName, checkVariableValue, checkVariables } from "../../../src/values/environment-variable.ts";
import { ENVIRONMENT_LIMITS } from "../../../src/values/limits.ts";

function refused(check: () => void) {
  return expect(check);
}

test("ENV1 names", () => {
  for (const name of ["A", "_x9", "a".repeat(256)]) checkVariableName(name);
  for (const name of ["1A", "A-B", "", "A\n", "É"]) {
    refused(() => checkVariableName(name)).toThrow(
      expect.objectContaining({
        code: "EnvironmentVariableNameInvalid",
        message: `The environment variable name ${name} is invalid. Environment variable names must begin with a letter and may only include characters a-z, A-Z, 0-9, and underscores.`,
      }),
    );
  }
  const long = "a".repeat(257);
  refused(() => checkVariableName(long)).toThrow(
    `The environment variable name ${long} is too long. Environment variable names must be less than 256.`,
  );
});

test("ENV2 values are counted in bytes", () => {
  checkVariableValue("é".repeat(4096));
  refused(() => checkVariableValue(`${"é".repeat(4096)}x`)).toThrow(
    expect.objectContaining({
      code: "EnvironmentVariableValueTooLarge",
      message: "The environment variable value is 8193 bytes, which is too large. (max size: 8192",
    }),
  );
});

test("ENV3 a set has a number and a total size", () => {
  const limits = { ...ENVIRONMENT_LIMITS, variables: 2, totalBytes: 10 };
  checkVariables({ A: "1234", B: "1234" }, limits);
  refused(() => checkVariables({ A: "1", B: "2", C: "3" }, limits)).toThrow(
    expect.objectContaining({ code: "EnvVarLimitMet", message: "The environment variable limit (2) has been met." }),
  );
  refused(() => checkVariables({ A: "1234", B: "12345" }, limits)).toThrow(
    expect.objectContaining({ code: "EnvVarTotalSizeLimitMet" }),
  );
  refused(() => checkVariables({ "A-B": "1" }, limits)).toThrow("is invalid");
  expect(ENVIRONMENT_LIMITS.variables).toBe(1000);
});
