import { type CodedError, badRequest } from "../shared/coded-error.ts";
import { identifierError } from "./identifier.ts";
import { utf8Length } from "./utf8.ts";

/** A function's address within its component. */
export interface ModuleFunction {
  /** Canonical module path with extension, e.g. `"dir/messages.js"`. */
  readonly module: string;
  readonly function: string;
}

const MAX_COMPONENT_BYTES = 64;
const DEFAULT_EXPORT = "default";

/** `"dir/mod:fn"` → `{module: "dir/mod.js", function: "fn"}`; no colon means the default export (`wire.md` §2.3). */
export function parseFunctionPath(path: string): ModuleFunction {
  const colon = path.lastIndexOf(":");
  const module = colon < 0 ? path : path.slice(0, colon);
  const name = colon < 0 ? DEFAULT_EXPORT : path.slice(colon + 1);
  const reason = moduleError(module) ?? identifierError(name);
  if (reason !== null) throw badFunctionPath(path, reason);
  return { module: withExtension(module), function: name };
}

/** Canonical form of a module path: with `.js`. */
export function parseModulePath(path: string): string {
  const reason = moduleError(path);
  if (reason !== null) throw badRequest("BadConvexModuleIdentifier", reason);
  return withExtension(path);
}

/** Short form for people and clients: `"dir/mod:fn"`, `"dir/mod"` for a default export. */
export function displayPath(path: ModuleFunction): string {
  const module = stripExtension(path.module);
  return path.function === DEFAULT_EXPORT ? module : `${module}:${path.function}`;
}

/** `"dir/mod.js:fn"`, as in the texts of E-A-3 and E-F-5. */
export function canonicalPath(path: ModuleFunction): string {
  return `${path.module}:${path.function}`;
}

export function stripExtension(module: string): string {
  return module.endsWith(".js") ? module.slice(0, -3) : module;
}

export type ModuleRole =
  /** Modules of the backend itself, for admins. */
  | "system"
  /** Shared chunks of the bundler: imported by others, never run. */
  | "dependency"
  | "http"
  | "crons"
  | "ordinary";

export function moduleRole(module: string): ModuleRole {
  if (module.startsWith("_system/")) return "system";
  if (module.startsWith("_deps/") || module.startsWith("actions/_deps/")) return "dependency";
  if (module === "http.js") return "http";
  if (module === "crons.js") return "crons";
  return "ordinary";
}

function moduleError(path: string): string | null {
  if (path === "") return "Module path cannot be empty.";
  if (path.startsWith("/")) return "Module paths must be relative.";
  for (const component of path.split("/")) {
    const reason = componentError(component);
    if (reason !== null) return reason;
  }
  const file = path.slice(path.lastIndexOf("/") + 1);
  // A leading dot starts a name, not an extension.
  const dot = file.lastIndexOf(".");
  return dot > 0 && file.slice(dot) !== ".js" ? `Module path (${path}) has an extension that isn't 'js'.` : null;
}

function componentError(component: string): string | null {
  if (component === "") return "Path component cannot be empty.";
  const bytes = utf8Length(component);
  if (bytes > MAX_COMPONENT_BYTES) {
    return `Path component is too long (${bytes} > maximum ${MAX_COMPONENT_BYTES}): ${prefix(component)}...`;
  }
  if (!/^[A-Za-z0-9_.]+$/.test(component)) {
    return `Path component ${component} can only contain alphanumeric characters, underscores, or periods.`;
  }
  return /[A-Za-z0-9]/.test(component)
    ? null
    : `Path component ${component} must have at least one alphanumeric character.`;
}

/** Whole characters within the limit. */
function prefix(component: string): string {
  let text = "";
  let bytes = 0;
  for (const character of component) {
    bytes += utf8Length(character);
    if (bytes > MAX_COMPONENT_BYTES) break;
    text += character;
  }
  return text;
}

function withExtension(module: string): string {
  return module.endsWith(".js") ? module : `${module}.js`;
}

function badFunctionPath(path: string, reason: string): CodedError {
  return badRequest("BadConvexFunctionIdentifier", `${path} is not a valid path to a Convex function. ${reason}`);
}
