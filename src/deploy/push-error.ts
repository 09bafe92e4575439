import { badRequest, CodedError } from "../shared/coded-error.ts";

/** Codes whose message the official command line reads itself, from its first word. */
const BARE: ReadonlySet<string> = new Set(["RaceDetected", "ConcurrentPush", "BadJsonBody", "NotAvailableYet"]);

/** Adds the head line that push errors have, and keeps code, class and data. Bugs of ours pass unchanged. */
export async function asPushError<T>(push: () => Promise<T>): Promise<T> {
  try {
    return await push();
  } catch (error) {
    if (!(error instanceof CodedError) || BARE.has(error.code)) throw error;
    throw new CodedError(error.errorClass, error.code, `Hit an error while pushing:\n${error.message}`, {
      ...(error.data === undefined ? {} : { data: error.data }),
      cause: error,
    });
  }
}

export function invalidModules(message: string): CodedError {
  return badRequest("InvalidModules", `Loading the pushed modules encountered the following\n    error:\n${message}`);
}

/** E-D-6. */
export function nodeServiceMissing(): CodedError {
  return badRequest(
    "DeploymentNotConfiguredForNodeActions",
    'Deployment is not configured to deploy "use node" actions. It has no Node service: start one and set ' +
      "NODE_ACTIONS_URL to its origin (docs/node-actions.md).",
  );
}

export function typecheckError(message: string): CodedError {
  return badRequest("TypecheckError", message);
}

/** The official command line starts the push again, by itself. */
export function raceDetected(message: string): CodedError {
  return badRequest("RaceDetected", message);
}

export function concurrentPush(): CodedError {
  return badRequest(
    "ConcurrentPush",
    "Another push finished while this one was under way. Are you running multiple `npx convex dev` processes in the same directory?",
  );
}
