import type { NodeThrownError } from "../../src/protocol/node-actions.ts";

const MESSAGE_CHARACTERS = 64 * 1024;
const STACK_CHARACTERS = 128 * 1024;

/** A text of ours that stands for itself: nothing was thrown, so no `Uncaught` goes before it. */
export function wholeText(message: string): NodeThrownError {
  return { name: "", message, whole: true };
}

/** What user code threw, as far as it can leave the process (`abi.md` §5.5). Getters of the error may throw too. */
export function thrownError(thrown: unknown, directory: string): NodeThrownError {
  if (!isError(thrown)) return { name: "", message: describe(thrown).slice(0, MESSAGE_CHARACTERS) };
  const message = textOf(thrown, "message").slice(0, MESSAGE_CHARACTERS);
  const name = textOf(thrown, "name");
  const stack = property(thrown, "stack");
  const shown = typeof stack === "string" ? { stack: modulePaths(frames(stack), directory) } : {};
  const data = convexErrorData(thrown);
  return { name, message, ...shown, ...(data === undefined ? {} : { data }) };
}

function isError(value: unknown): value is object {
  return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
}

function property(holder: object, name: PropertyKey): unknown {
  try {
    return Reflect.get(holder, name);
  } catch {
    // The getter is the user's own: what it throws has nowhere to go.
    return undefined;
  }
}

function textOf(holder: object, name: string): string {
  const value = property(holder, name);
  if (value === undefined || value === null) return "";
  try {
    return `${value as string}`;
  } catch {
    // As above, for a `toString` of the user's.
    return "";
  }
}

/** The package `convex` marks its errors and turns their data into text before it rethrows them (`abi.md` §1.2). */
function convexErrorData(thrown: object): string | undefined {
  const mark = property(thrown, "ConvexErrorSymbol");
  if (typeof mark !== "symbol" || property(thrown, mark) !== true) return undefined;
  const data = property(thrown, "data");
  return typeof data === "string" ? data : undefined;
}

/** V8's own words for a thrown value that is not an error. */
function describe(value: unknown): string {
  if (typeof value === "function" || typeof value !== "object" || value === null) return String(value);
  if (property(value, "toString") !== Object.prototype.toString) return Object.prototype.toString.call(value);
  const constructor = property(value, "constructor");
  const name = typeof constructor === "function" ? textOf(constructor, "name") : "";
  return `#<${name === "" ? "Object" : name}>`;
}

/** Of a stack with an over-long message only the frames matter. */
function frames(stack: string): string {
  if (stack.length <= STACK_CHARACTERS) return stack;
  const start = stack.indexOf("\n    at ", MESSAGE_CHARACTERS);
  return start === -1 ? "" : stack.slice(start, start + STACK_CHARACTERS);
}

/** Modules of the package by their canonical paths; where the package lies on this machine is nobody's business. */
export function modulePaths(text: string, directory: string): string {
  const { href } = new URL(`file://${directory}/modules/`);
  return text.replaceAll(href, "").replaceAll(`${directory}/modules/`, "");
}
