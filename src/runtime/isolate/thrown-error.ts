import type { ThrownError } from "../../protocol/invocation.ts";
import { describeThrown } from "../../values/thrown-value.ts";

/** A text of the harness that stands for itself: nothing was thrown, so no `Uncaught` goes before it. */
export function wholeText(message: string, fatal?: ThrownError["fatal"]): ThrownError {
  return { name: "", message, whole: true, ...(fatal === undefined ? {} : { fatal }) };
}

export function thrownError(thrown: unknown): ThrownError {
  return describeThrown(thrown);
}
