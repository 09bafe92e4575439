import { identifierError } from "./identifier.ts";

/** A function as its module exports it. `args` and `returns` are validators in JSON; `null`: none was declared. */
export interface ExportedFunction {
  readonly name: string;
  readonly kind: "Query" | "Mutation" | "Action";
  /** `null`: marked neither way, as by positional constructors of old. */
  readonly visibility: "public" | "internal" | null;
  readonly args: string | null;
  readonly returns: string | null;
}

/** A mistake that the host finds by looking, as opposed to an exception of user code. */
export class AnalysisMistake extends Error {
  override readonly name = "AnalysisMistake";
}

/**
 * The functions of the app among what a module exports (`abi.md` §1.8): helpers, constants and HTTP actions are left
 * out. `path` is canonical, e.g. `"dir/messages.js"`. Throws `AnalysisMistake`.
 */
export function exportedFunctions(path: string, namespace: object): ExportedFunction[] {
  return Object.entries(namespace).flatMap(([name, value]: [string, unknown]) =>
    isHolder(value) ? (exportedFunction(path, name, value) ?? []) : [],
  );
}

/** Whether properties may be read from it. */
export function isHolder(value: unknown): value is object {
  return typeof value === "function" || (typeof value === "object" && value !== null);
}

const KINDS = [
  ["isQuery", "Query"],
  ["isMutation", "Mutation"],
  ["isAction", "Action"],
] as const;

function exportedFunction(path: string, name: string, exported: object): ExportedFunction | undefined {
  const [kind, second] = KINDS.filter(([flag]) => flag in exported);
  if (kind === undefined || second !== undefined) return undefined;
  const isPublic = "isPublic" in exported;
  const isInternal = "isInternal" in exported;
  if (isPublic && isInternal) return undefined;
  const place = `${path}:${name}`;
  const args = exportedValidator(place, exported, "exportArgs");
  const returns = exportedValidator(place, exported, "exportReturns");
  const handler: unknown = Reflect.get(exported, "_handler");
  if (handler !== undefined) {
    if (typeof handler !== "function") throw new AnalysisMistake(`${place}.handler is not a function.`);
  } else if (typeof exported !== "function") {
    throw new AnalysisMistake(`${place} is not a function.`);
  }
  const invalid = identifierError(name);
  if (invalid !== null) throw new AnalysisMistake(`Invalid function name used in \`${path}\`: ${invalid}`);
  return {
    name,
    kind: kind[1],
    visibility: isPublic ? "public" : isInternal ? "internal" : null,
    args,
    returns: returns === "null" ? null : returns,
  };
}

function exportedValidator(place: string, exported: object, member: "exportArgs" | "exportReturns"): string | null {
  const method: unknown = Reflect.get(exported, member);
  if (method === undefined) return null;
  if (typeof method !== "function") {
    throw new AnalysisMistake(`${place}.${member} is not a function or \`undefined\`.`);
  }
  const text: unknown = Reflect.apply(method, exported, []);
  if (typeof text !== "string") {
    throw new AnalysisMistake(`Invalid ${member} return value: ${place}.${member}() didn't return a string.`);
  }
  try {
    JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AnalysisMistake(`Invalid JSON returned from ${place}.${member}(): ${reason}`);
  }
  return text;
}
