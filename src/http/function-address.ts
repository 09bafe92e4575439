import type { FunctionPath } from "../protocol/function-path.ts";
import { badRequest } from "../shared/coded-error.ts";
import { parseFunctionPath } from "../values/function-path.ts";

export interface CalledPath {
  readonly path: FunctionPath;
  /** A function of the backend itself, under `_system/`. */
  readonly system: boolean;
}

/** `dir/module:function` as clients write it. */
export function calledPath(text: string, component: string): CalledPath {
  const { module, function: name } = parseFunctionPath(text);
  return { path: { component, module, function: name }, system: module.startsWith("_system/") };
}

/** Path of a URL behind `/api/run/`: `dir/module/function`, each segment percent-encoded. */
export function runPath(urlPath: string): CalledPath {
  const segments = urlPath.split("/");
  const name = segments.pop();
  if (segments.length === 0 || name === undefined || name === "") {
    throw badRequest("MissingIdentifier", "Path or function name not provided in path, e.g. /api/run/messages/list");
  }
  return calledPath(`${segments.map(decode).join("/")}:${decode(name)}`, "");
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    // A stray `%` stands for itself; the grammar of paths then refuses it.
    return segment;
  }
}
