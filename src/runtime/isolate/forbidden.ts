import { currentCall } from "./running.ts";
import { failImport, importingModule } from "./import-phase.ts";
import { refusedAtImport } from "./refused-promise.ts";

export function unsupportedAtImport(what: string): Error {
  const when = importingModule()?.evaluation === "schema" ? "while evaluating schema" : "at import time";
  return new Error(`${what} unsupported ${when}`);
}

export function notInQueriesAndMutations(what: string): Error {
  return new Error(
    `Can't use ${what} in queries and mutations. Please consider using an action. ` +
      "See https://docs.convex.dev/functions/actions for more details.",
  );
}

/** The error of an API that only actions have, or undefined where it is allowed. Promise APIs reject with it. */
export function actionOnly(what: string): Error | undefined {
  const call = currentCall();
  if (call === undefined) return unsupportedAtImport(what);
  return call.deterministic ? notInQueriesAndMutations(what) : undefined;
}

/** The rejection of a promise API with the error of `actionOnly`. */
export function refused(refusal: Error): Promise<never> {
  return currentCall() === undefined ? refusedAtImport(refusal) : Promise.reject(refusal);
}

/** Fails the running call (or the import) whatever user code catches. */
export function failUncatchably(error: Error): void {
  const call = currentCall();
  if (call === undefined) failImport(error);
  else call.fail({ kind: "forbidden", error });
}
