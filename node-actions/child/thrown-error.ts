import type { NodeThrownError } from "../../src/protocol/node-actions.ts";
import { describeThrown } from "../../src/values/thrown-value.ts";

/** A text of ours that stands for itself: nothing was thrown, so no `Uncaught` goes before it. */
export function wholeText(message: string): NodeThrownError {
  return { name: "", message, whole: true };
}

/** What user code threw, with the modules in its stack named by their canonical paths. */
export function thrownError(thrown: unknown, directory: string): NodeThrownError {
  const described = describeThrown(thrown);
  if (described.stack === undefined) return described;
  return { ...described, stack: modulePaths(described.stack, directory) };
}

/** Modules of the package by their canonical paths; where the package lies on this machine is nobody's business. */
export function modulePaths(text: string, directory: string): string {
  const { href } = new URL(`file://${directory}/modules/`);
  return text.replaceAll(href, "").replaceAll(`${directory}/modules/`, "");
}
