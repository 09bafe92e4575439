import { type ImportingModule, newImport, whileImporting } from "./import-phase.ts";

export type LoadedModule =
  | { readonly ok: true; readonly namespace: object; readonly imported: ImportingModule }
  | {
      readonly ok: false;
      readonly error: unknown;
      /** Set when the text stands for itself and nothing was thrown by user code. */
      readonly text?: string;
      readonly imported: ImportingModule;
    };

const modules = new Map<string, LoadedModule>();

export function loadedModule(key: string): LoadedModule | undefined {
  const module = modules.get(key);
  if (module?.ok !== true) return module;
  const { imported } = module;
  const error = imported.failure ?? imported.refused.find(({ handled }) => !handled())?.error;
  return error === undefined ? module : { ok: false, error, imported };
}

/**
 * Called by the main module of a throw-away isolate for each user module, one after the other, at start-up:
 * WebAssembly and `new Function` are allowed there and nowhere else. A module that fails to import fails alone.
 */
export async function loadModule(key: string, importModule: () => Promise<object>): Promise<void> {
  const imported = newImport(key);
  modules.set(key, await whileImporting(imported, () => evaluate(imported, importModule)));
}

async function evaluate(imported: ImportingModule, importModule: () => Promise<object>): Promise<LoadedModule> {
  try {
    // Off the stack of the main module: there the platform would let one top-level await pass.
    await Promise.resolve();
    const namespace = await importModule();
    return { ok: true, namespace, imported };
  } catch (error) {
    const text = importText(error);
    return { ok: false, error, imported, ...(text === undefined ? {} : { text }) };
  }
}

/** The platform's words for mistakes that Convex has its own words for. */
export function importText(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : "";
  if (message.startsWith("Top-level await in module is unsettled")) {
    return "Top-level awaits in source files are unsupported";
  }
  const missing = /^No such module "([^"]+)"/.exec(message)?.[1];
  return missing === undefined ? undefined : missingModuleText(missing);
}

/** `key` is in the form of the module table. */
export function missingModuleText(key: string): string {
  const path = key.replace(/^app\//, "").replace(/^components\/.+?\//, "");
  return `Couldn't find JavaScript module '${path}'. Did you forget to run \`npx convex dev\`?`;
}
