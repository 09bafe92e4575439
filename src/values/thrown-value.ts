import { jsonToConvex } from "convex/values";
import { cutUtf8, utf8Length } from "./utf8.ts";

const MESSAGE_BYTES = 64 * 1024;
const STACK_CHARACTERS = 128 * 1024;

/** What user code threw, as far as it can leave its process: texts, each within a bound. */
export interface ThrownValue {
  readonly name: string;
  readonly message: string;
  /** As V8 wrote it, if any. */
  readonly stack?: string;
  /** ConvexJSON text when it is a ConvexError. */
  readonly data?: string;
  /** The message is the whole text to show: no `Uncaught` goes before it and no frames after it. */
  readonly whole?: true;
}

/** `abi.md` §5.5. Getters of the error may throw too. */
export function describeThrown(thrown: unknown): ThrownValue {
  if (!isError(thrown)) return { name: "", message: limited(describe(thrown)) };
  const name = textOf(thrown, "name");
  const message = limited(textOf(thrown, "message"));
  const stack = property(thrown, "stack");
  const shown = typeof stack === "string" ? { stack: limitedStack(stack) } : {};
  const data = convexErrorData(thrown);
  if (data === undefined) return { name, message, ...shown };
  if (data.ok) return { name, message, ...shown, data: data.text };
  return { name: "", message: `ConvexError with invalid data: ${data.reason}`, ...shown, whole: true };
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

type ErrorData = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

/** The package `convex` marks its errors and turns their data into text before it rethrows them (`abi.md` §1.2). */
function convexErrorData(thrown: object): ErrorData | undefined {
  const mark = property(thrown, "ConvexErrorSymbol");
  if (typeof mark !== "symbol" || property(thrown, mark) !== true) return undefined;
  const text = property(thrown, "data");
  if (typeof text !== "string") return { ok: false, reason: "data is not a string" };
  try {
    jsonToConvex(JSON.parse(text));
    return { ok: true, text };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** V8's own words for a thrown value that is not an error. */
function describe(value: unknown): string {
  if (typeof value === "function" || typeof value !== "object" || value === null) return String(value);
  if (property(value, "toString") !== Object.prototype.toString) return Object.prototype.toString.call(value);
  const constructor = property(value, "constructor");
  const name = typeof constructor === "function" ? textOf(constructor, "name") : "";
  return `#<${name === "" ? "Object" : name}>`;
}

function limited(text: string): string {
  return utf8Length(text) > MESSAGE_BYTES ? cutUtf8(text, MESSAGE_BYTES) : text;
}

/** Of a stack with an over-long message only the frames matter. */
function limitedStack(stack: string): string {
  if (stack.length <= STACK_CHARACTERS) return stack;
  const frames = stack.indexOf("\n    at ", MESSAGE_BYTES);
  return frames === -1 ? "" : stack.slice(frames, frames + STACK_CHARACTERS);
}
