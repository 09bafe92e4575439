import { currentCall } from "./running.ts";
import { failImport } from "./import-phase.ts";

export function unsupportedAtImport(what: string): Error {
  return new Error(`${what} unsupported at import time`);
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

/** Fails the running call (or the import) whatever user code catches. */
export function failUncatchably(error: Error): void {
  const call = currentCall();
  if (call === undefined) failImport(error);
  else call.fail({ kind: "forbidden", error });
}
