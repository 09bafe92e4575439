import { mayReplaceGlobals } from "./own-global-names.ts";

/**
 * The text of a user isolate's modules. Pure: runs in the backend, not in the isolate. User modules are keyed
 * `app/<path>` and `components/<definition>/<path>`, so names at the root are free for ours.
 */

/** What `scripts/build-harness.ts` writes to `dist/harness.json`. */
export interface HarnessCode {
  /** One module: the prelude that replaces the globals, the module table and the `Harness` entry point. */
  readonly harness: string;
  /** Changes with any of the code above: part of the loader id. */
  readonly version: string;
  /** One module: what `convex:/_system/repl/wrappers.js` stands for in the source of a test function. */
  readonly wrappers: string;
}

export interface ModuleSource {
  readonly key: string;
  readonly source: string;
}

export const MAIN_MODULE = "main.js";
const HARNESS_MODULE = "convection/harness.js";

/**
 * `analysis`: modules as they were pushed, evaluated once, by a throw-away isolate. `calls`: rewritten ones
 * (`code/realm-module.ts`), evaluated by each call.
 */
export type Use = "analysis" | "calls";

/** Chunks that others import have no functions and no evaluation of their own. */
function isEntry({ key }: { readonly key: string }): boolean {
  return !/(^|\/)(_deps|_componentDeps)\//.test(key);
}

/** One `await import()` each, so that a module that throws does not take the others with it. */
export function mainModule(modules: readonly ModuleSource[], use: Use): string {
  const load = use === "analysis" ? "loadModule" : "defineModule";
  const ownGlobals = use === "calls" && modules.some(({ source }) => mayReplaceGlobals(source));
  const names = ["Harness", load];
  if (use === "calls") names.push("evaluateShared");
  if (ownGlobals) names.push("installOwnGlobals");
  const imports = modules
    .filter((module) => use === "calls" || isEntry(module))
    .map(({ key }) => `await ${load}(${JSON.stringify(key)}, () => import(${JSON.stringify(`./${key}`)}));\n`);
  return [
    `import { ${names.join(", ")} } from ${JSON.stringify(`./${HARNESS_MODULE}`)};\n`,
    ...(ownGlobals ? ["installOwnGlobals();\n"] : []),
    ...imports,
    ...(use === "calls" ? ["evaluateShared();\n"] : []),
    "export { Harness };\n",
  ].join("");
}

/** The `modules` of a Worker Loader definition whose `mainModule` is `MAIN_MODULE`. */
export function isolateModules(
  harness: HarnessCode,
  sources: readonly ModuleSource[],
  use: Use,
): Record<string, { readonly js: string }> {
  const modules: Record<string, { readonly js: string }> = {
    [MAIN_MODULE]: { js: mainModule(sources, use) },
    [HARNESS_MODULE]: { js: harness.harness },
  };
  for (const { key, source } of sources) modules[key] = { js: source };
  return modules;
}
