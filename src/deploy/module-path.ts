import { badRequest } from "../shared/coded-error.ts";
import { toBase64Url } from "./digest.ts";

/** Shared chunks of the bundler: loaded when imported, never analysed and never run by name. */
export function isDependency(path: string): boolean {
  return path.startsWith("_deps/") || path.startsWith("actions/_deps/");
}

export const AUTH_CONFIG = "auth.config.js";

/** Modules that hold functions, routes or crons. */
export function isAnalyzed(path: string): boolean {
  return !isDependency(path) && path !== AUTH_CONFIG;
}

const PART = /^[A-Za-z0-9_.]+$/;

/** Rules of `abi.md` §1.7. Returns the path with its extension. */
export function canonicalModulePath(path: string): string {
  for (const part of path.split("/")) {
    if (part.length > 64) {
      throw badModulePath(`Path component is too long (${part.length} > maximum 64): ${part.slice(0, 64)}...`);
    }
    if (!PART.test(part) || !/[A-Za-z0-9]/.test(part)) {
      throw badModulePath(`Path component ${part} can only contain alphanumeric characters, underscores, or periods.`);
    }
  }
  const name = path.slice(path.lastIndexOf("/") + 1);
  const extension = name.includes(".") ? name.slice(name.lastIndexOf(".") + 1) : null;
  if (extension === null) return `${path}.js`;
  if (extension !== "js") throw badModulePath(`Module path (${path}) has an extension that isn't 'js'.`);
  return path;
}

export function strippedModulePath(path: string): string {
  return path.endsWith(".js") ? path.slice(0, -3) : path;
}

/**
 * Prefix of a definition's module keys. Relative imports are resolved against keys, so a definition path with `..`
 * in it, as packages have, must not appear in one as it is.
 */
export function modulePrefix(definitionPath: string): string {
  if (definitionPath === "") return "app/";
  const plain = definitionPath.split("/").every((part) => /^[A-Za-z0-9_@-][A-Za-z0-9_@.-]*$/.test(part));
  return plain
    ? `components/${definitionPath}/`
    : `components/~${toBase64Url(new TextEncoder().encode(definitionPath))}/`;
}

function badModulePath(message: string) {
  return badRequest("InvalidModulePath", message);
}
