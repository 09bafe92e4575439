import { existsSync } from "node:fs";
import { isAbsolute, join, normalize } from "node:path";
import { pathToFileURL } from "node:url";
import type { NodeThrownError } from "../../src/protocol/node-actions.ts";
import { isHolder } from "../../src/values/exported-functions.ts";
import { thrownError, wholeText } from "./thrown-error.ts";

type Found<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: NodeThrownError };

/** Evaluates a module of the package, once per process: its state lasts from call to call. */
export async function findModule(directory: string, path: string): Promise<Found<object>> {
  const relative = normalize(path);
  const file = join(directory, "modules", relative);
  if (isAbsolute(path) || relative.startsWith("..") || !existsSync(file)) {
    return { ok: false, error: wholeText(`Couldn't find module source for ${path}`) };
  }
  try {
    return { ok: true, value: (await import(pathToFileURL(file).href)) as object };
  } catch (error) {
    return { ok: false, error: thrownError(error, directory) };
  }
}

/** How to invoke an action with the text of its arguments. E-A-2b. */
export async function findAction(
  directory: string,
  path: string,
  name: string,
): Promise<Found<(requestId: string, args: string) => Promise<unknown>>> {
  const module = await findModule(directory, path);
  if (!module.ok) return module;
  const exported: unknown = Object.hasOwn(module.value, name) ? Reflect.get(module.value, name) : undefined;
  if (!isHolder(exported)) return failed(`Couldn't find action \`${name}\` in \`${path}\``);
  const invoke: unknown = Reflect.get(exported, "invokeAction");
  if (Reflect.get(exported, "isAction") !== true || typeof invoke !== "function") {
    return failed(`\`${name}\` wasn't registered as a Convex action in \`${path}\``);
  }
  return {
    ok: true,
    value: async (requestId, args) => (await Reflect.apply(invoke, exported, [requestId, args])) as unknown,
  };
}

function failed(text: string): { readonly ok: false; readonly error: NodeThrownError } {
  return { ok: false, error: wholeText(text) };
}
