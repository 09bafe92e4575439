import type { FunctionCompletion } from "../../protocol/function-log.ts";
import type { AboutDeployment } from "../../protocol/log-streams.ts";
import { toHex } from "../../shared/bytes.ts";
import type { JsonObject } from "../../shared/json.ts";
import type { Random } from "../../shared/random.ts";
import { FUNCTION_TYPES } from "./events.ts";

/**
 * Says whether an execution ended with an error that nothing caught: not a run that is repeated, not a call that was
 * refused before its function ran, and not one whose caller is a function too, for that one decides what becomes of it.
 */
export function isUncaught(completion: FunctionCompletion): completion is FunctionCompletion & { error: string } {
  const { error, willRetry, refused, parentExecutionId } = completion;
  if (error === null || willRetry === true || refused === true || parentExecutionId !== null) return false;
  return !REFUSALS.test(error);
}

/** Mistakes of the client. Anyone may make as many as they like. */
const REFUSALS = /^(?:Could not find |ArgumentValidationError:)/;

/** One exception as a Sentry envelope: https://develop.sentry.dev/sdk/envelopes */
export function sentryEnvelope(
  completion: FunctionCompletion & { readonly error: string },
  about: AboutDeployment,
  random: Random,
): string {
  const id = toHex(random.bytes(16)).toLowerCase();
  const event = JSON.stringify(sentryEvent(id, completion, about));
  return `${JSON.stringify({ event_id: id })}\n${JSON.stringify({ type: "event" })}\n${event}\n`;
}

function sentryEvent(
  id: string,
  completion: FunctionCompletion & { readonly error: string },
  { name, type }: AboutDeployment,
): JsonObject {
  const { identifier, udfType, environment, requestId, componentPath, user } = completion;
  return {
    event_id: id,
    timestamp: (completion.startedAt + completion.duration) / 1000,
    platform: "node",
    level: "error",
    server_name: name,
    environment: type,
    transaction: identifier,
    tags: {
      func: identifier,
      func_type: FUNCTION_TYPES[udfType],
      func_runtime: environment === "node" ? "node" : "default",
      request_id: requestId,
      ...(componentPath !== null && { component_path: componentPath }),
    },
    ...(user !== undefined && { user: { id: user } }),
    exception: { values: [exceptionOf(completion.error)] },
  };
}

const FRAME = /^ {4}at (?:(.+) \()?(.+?):(\d+):(\d+)\)?$/;

/** `error`: `Uncaught <Name>: <message>` and V8's frames, or the text of a limit. */
function exceptionOf(error: string): JsonObject {
  const lines = error.trimEnd().split("\n");
  const first = lines.findIndex((line) => FRAME.test(line));
  const text = (first === -1 ? lines : lines.slice(0, first)).join("\n").replace(/^Uncaught /, "");
  const [, type = "Error", value = text] = /^([A-Za-z_$][\w$]*): ([^]*)$/.exec(text) ?? [];
  const frames = first === -1 ? [] : lines.slice(first).flatMap(frameOf);
  return {
    type,
    value,
    mechanism: { type: "generic", handled: false },
    // The innermost is the last.
    ...(frames.length > 0 && { stacktrace: { frames: frames.toReversed() } }),
  };
}

function frameOf(line: string): readonly JsonObject[] {
  const match = FRAME.exec(line);
  if (match === null) return [];
  const [, name, file = "", row, column] = match;
  return [
    {
      filename: file,
      ...(name !== undefined && { function: name }),
      lineno: Number(row),
      colno: Number(column),
      in_app: !file.includes("node_modules/"),
    },
  ];
}
