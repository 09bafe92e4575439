import type { NodeThrownError } from "../../src/protocol/node-actions.ts";
import { describeThrown } from "../../src/values/thrown-value.ts";

/** A text of ours that stands for itself: nothing was thrown, so no `Uncaught` goes before it. */
export function wholeText(message: string): NodeThrownError {
  return { name: "", message, whole: true };
}

/**
 * What user code threw, with the modules in its stack named by their canonical paths. `event` stands before the message
 * of what no call could catch.
 */
export function thrownError(thrown: unknown, directory: string, event?: string): NodeThrownError {
  const described = describeThrown(thrown);
  const shown =
    event === undefined || described.whole === true
      ? described
      : { ...described, message: `${event}: ${described.message}` };
  return shown.stack === undefined ? shown : { ...shown, stack: modulePaths(shown.stack, directory) };
}

/** Modules of the package by their canonical paths; where the package lies on this machine is nobody's business. */
export function modulePaths(text: string, directory: string): string {
  return namedModules(text, directory, "").replaceAll(USER_MODULES, "");
}

const USER_MODULES = "convex:/user/";
const OUR_OWN = new URL(".", import.meta.url).href;

/** What user code reads in `error.stack`: its modules by the names Convex gives them, ours without a place. */
export function nameModulesInStacks(directory: () => string): void {
  Error.prepareStackTrace = (error, frames) => {
    // oxlint-disable-next-line no-base-to-string -- call sites of V8 have a `toString` of their own
    const lines = frames.map((frame) => namedModules(`    at ${String(frame)}`, directory(), USER_MODULES));
    return [headOf(error), ...lines.map((line) => line.replace(OUR_OWN, ""))].join("\n");
  };
}

function headOf(error: Error): string {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    // A getter or `toString` of the user's own: V8 says this much then.
    return "<error>";
  }
}

function namedModules(text: string, directory: string, prefix: string): string {
  const { href } = new URL(`file://${directory}/modules/`);
  return text.replaceAll(href, prefix).replaceAll(`${directory}/modules/`, prefix);
}
