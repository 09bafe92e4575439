import type { FunctionArguments } from "../protocol/http-bodies.ts";
import { badJsonBody } from "./body.ts";

/** ConvexJSON of the one float that plain JSON text loses: `JSON.stringify(-0)` is `0`. */
const NEGATIVE_ZERO = { $float: "AAAAAAAAAIA=" };

/**
 * ConvexJSON text of the positional arguments; an object is the only argument. The depth was bounded when the body
 * was parsed. What `JSON.parse` takes and JSON text cannot carry on unchanged is caught here: numbers outside the
 * range of a float, which would become null, and unpaired surrogates, which are no text.
 */
export function argumentsText(args: FunctionArguments): string {
  const positional = Array.isArray(args) ? args : [args];
  return JSON.stringify(needsRewriting(positional) ? rewrite(positional) : positional);
}

function needsRewriting(value: unknown): boolean {
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value)) throw badJsonBody("The request body has a number out of range");
      return Object.is(value, -0);
    case "string":
      checkText(value);
      return false;
    case "object":
      return value !== null && containerNeedsRewriting(value);
    default:
      return false;
  }
}

function containerNeedsRewriting(container: object): boolean {
  let found = false;
  if (Array.isArray(container)) {
    for (const element of container) found = needsRewriting(element) || found;
    return found;
  }
  for (const [name, value] of Object.entries(container)) {
    checkText(name);
    found = needsRewriting(value) || found;
  }
  return found;
}

function rewrite(value: unknown): unknown {
  if (Object.is(value, -0)) return NEGATIVE_ZERO;
  if (Array.isArray(value)) return value.map(rewrite);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, rewrite(field)]));
}

function checkText(text: string): void {
  if (!text.isWellFormed()) throw badJsonBody("The request body has a string with an unpaired surrogate");
}
