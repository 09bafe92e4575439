import type { AppVersion } from "../protocol/app.ts";
import { badRequest } from "../shared/coded-error.ts";
import { must } from "../shared/assert.ts";
import { type CodeStore, sourceMapKey } from "./code-store.ts";
import { sha256Hex } from "./digest.ts";
import { canonicalModulePath, isDependency, modulePrefix } from "./module-path.ts";
import type { ModuleSources } from "./module-sources.ts";
import type { ModuleHash, PushedModule, StartPushBody } from "./push-body.ts";
import { invalidModules, raceDetected } from "./push-error.ts";
import type { DeploySettings } from "./settings.ts";

/** A module of a push, whether it came in the body or is one the server has. */
export interface LoadedModule {
  readonly definition: string;
  readonly key: string;
  readonly path: string;
  readonly environment: "isolate" | "node";
  /** Lower-case hex sha-256 over source, then source map: what the official command line computes. */
  readonly hash: string;
  readonly source: string;
  /** Absent when there is none, or when it is stored already. */
  readonly sourceMap: string | undefined;
  readonly sourceMapKey: string | undefined;
}

export async function moduleHash(source: string, sourceMap: string | null | undefined): Promise<string> {
  return await sha256Hex(source, sourceMap ?? "");
}

/** Every module of the push: the root's changed and unchanged ones, and all of each component. */
export async function loadModules(
  body: StartPushBody,
  active: AppVersion | null,
  code: CodeStore,
  settings: Pick<DeploySettings, "maxModules" | "maxCodeBytes" | "notes">,
): Promise<readonly LoadedModule[]> {
  const root = [
    ...(await Promise.all(body.appDefinition.changedModules.map((module) => received("", module)))),
    ...(await unchanged(body.appDefinition.unchangedModuleHashes, active, code)),
  ];
  const components = await Promise.all(
    body.componentDefinitions.map(async ({ definitionPath, functions }) => {
      const node = functions.find((module) => module.environment === "node");
      if (node !== undefined) {
        // The quote is as unbalanced in the text that tools know.
        throw badRequest(
          "NodeActionsNotSupported",
          `Node actions are not supported in components. Remove \`"use node;" from ${node.path}`,
        );
      }
      return await Promise.all(functions.map((module) => received(definitionPath, module)));
    }),
  );
  const modules = [...root, ...components.flat()];
  checkUnique(modules);
  checkLimits(modules, settings);
  return modules;
}

/** What an isolate that runs the modules of `definition` imports, or of every definition. */
export function isolateSources(modules: readonly LoadedModule[], definition?: string): ModuleSources {
  return Object.fromEntries(
    modules
      .filter((module) => module.environment === "isolate")
      .filter((module) => definition === undefined || module.definition === definition)
      .map((module) => [module.key, module.source]),
  );
}

async function received(definition: string, module: PushedModule): Promise<LoadedModule> {
  const path = canonicalModulePath(module.path);
  const hash = await moduleHash(module.source, module.sourceMap);
  const sourceMap = module.sourceMap ?? undefined;
  return {
    definition,
    key: modulePrefix(definition) + path,
    path,
    environment: module.environment,
    hash,
    source: module.source,
    sourceMap,
    sourceMapKey: sourceMap === undefined ? undefined : sourceMapKey(hash),
  };
}

async function unchanged(
  hashes: readonly ModuleHash[],
  active: AppVersion | null,
  code: CodeStore,
): Promise<LoadedModule[]> {
  if (hashes.length === 0) return [];
  const deployed = new Map(active?.modules.map((module) => [module.key, module]));
  const references = hashes.map(({ path, environment, sha256 }) => {
    const reference = deployed.get(modulePrefix("") + canonicalModulePath(path));
    if (reference === undefined || reference.hash !== sha256 || reference.environment !== environment) {
      throw raceDetected(
        `The module "${path}" is not deployed as this push expects: another push changed it meanwhile.`,
      );
    }
    return reference;
  });
  const bundle = active === null ? null : await code.bundle(active.bundleKey);
  return await Promise.all(
    references.map(async (reference) => ({
      definition: "",
      key: reference.key,
      path: reference.path,
      environment: reference.environment,
      hash: reference.hash,
      source:
        bundle?.[reference.key] ?? must(await code.source(reference.hash), `source of the module ${reference.path}`),
      sourceMap: undefined,
      sourceMapKey: reference.sourceMapKey,
    })),
  );
}

function checkUnique(modules: readonly LoadedModule[]): void {
  const seen = new Set<string>();
  for (const { key, path } of modules) {
    if (seen.has(key)) throw invalidModules(`The module "${path}" was pushed twice.`);
    seen.add(key);
  }
}

function checkLimits(
  modules: readonly LoadedModule[],
  settings: Pick<DeploySettings, "maxModules" | "maxCodeBytes" | "notes">,
): void {
  const files = modules.filter((module) => !isDependency(module.path)).length;
  const { notes } = settings;
  if (files > settings.maxModules) {
    throw badRequest(
      "InvalidModules",
      `Too many function files (${files} > maximum ${settings.maxModules}) in "convex/". See our docs (https://docs.convex.dev/using/writing-convex-functions#using-libraries) for more details.${notes?.modules ?? ""}`,
    );
  }
  const encoder = new TextEncoder();
  const bytes = modules.reduce((sum, module) => sum + encoder.encode(module.source).length, 0);
  if (bytes > settings.maxCodeBytes) {
    throw badRequest(
      "ModulesTooLarge",
      `Total module size exceeded the unzipped maximum (${mebibytes(bytes)} > maximum size ${mebibytes(settings.maxCodeBytes)})${notes?.codeBytes ?? ""}`,
    );
  }
}

function mebibytes(bytes: number): string {
  const amount = bytes / (1024 * 1024);
  return `${Number.isInteger(amount) ? amount : amount.toFixed(2)} MiB`;
}
