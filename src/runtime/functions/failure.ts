import type { FunctionFailure } from "../../protocol/execution.ts";
import type { ThrownError } from "../../protocol/invocation.ts";
import type { CodedError } from "../../shared/coded-error.ts";
import { mapStack, type SourceMaps } from "../code/source-map.ts";

/** Bytes of a message that reach the caller (`abi.md` §5.5). */
const MAX_MESSAGE = 65_536;

/**
 * The developer's failure as a value that can be thrown through the runtime: it becomes the outcome of the function
 * that raised it, never an HTTP error.
 */
export class FunctionError extends Error {
  override readonly name = "FunctionError";
  readonly failure: FunctionFailure;

  constructor(failure: FunctionFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** A failure without frames: argument validation, unknown function, limits. */
export function plainFailure(message: string, data?: string): FunctionFailure {
  return data === undefined ? { message } : { message, data };
}

/** What user code threw, as the caller will read it: `Uncaught <Name>: <message>` and source-mapped frames. */
export async function describeThrown(error: ThrownError, maps: SourceMaps): Promise<FunctionFailure> {
  if (error.whole === true) return plainFailure(error.message.slice(0, MAX_MESSAGE), error.data);
  const message = uncaught(error).slice(0, MAX_MESSAGE);
  const frames = error.stack === undefined ? [] : await mapStack(error.stack, maps);
  const text = frames.length === 0 ? `${message}\n` : `${message}\n${frames.join("\n")}\n`;
  return plainFailure(text, error.data);
}

/** V8's words for an uncaught exception. */
export function uncaught(error: ThrownError): string {
  if (error.name !== "" && error.message !== "") return `Uncaught ${error.name}: ${error.message}`;
  if (error.name !== "") return `Uncaught ${error.name}`;
  return error.message === "" ? "Uncaught" : `Uncaught ${error.message}`;
}

/** A `CodedError` that belongs to the function (a limit, a bad argument) rather than to the request. */
export function failureOf(error: CodedError): FunctionFailure {
  return plainFailure(error.message, error.data);
}
