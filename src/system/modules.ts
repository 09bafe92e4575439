import { v } from "convex/values";
import type { AppVersion, ComponentVersion } from "../protocol/app.ts";
import type { CodeSource } from "../runtime/code/code-source.ts";
import { parseSourceMap } from "../runtime/code/source-map.ts";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import { stripExtension } from "../values/function-path.ts";
import { dependOnApp } from "./dependencies.ts";
import { adminQuery } from "./system-query.ts";

/** `[path, module]` of every module that a component's developer wrote. */
export const listModules = adminQuery({}, (context) => {
  dependOnApp(context);
  const version = context.deployment.app?.version;
  return JSON.stringify(version === undefined ? [] : modulesOf(version, context.component));
});

/** `[component id, modules]` of every component; the id of the app itself is `null`. */
export const listModulesOfAll = adminQuery({}, (context) => {
  dependOnApp(context);
  const version = context.deployment.app?.version;
  if (version === undefined) return JSON.stringify([[null, []]]);
  const paths = Object.keys(version.components).toSorted();
  return JSON.stringify(paths.map((path) => [path === "" ? null : path, modulesOf(version, path)]));
});

/** The source as it was written, `null` where the push brought none. */
export const getSourceCode = adminQuery({ path: v.string() }, async (context, { path }) => {
  dependOnApp(context);
  const version = context.deployment.app?.version;
  return JSON.stringify(
    version === undefined ? null : await sourceCode(context.code, version, context.component, path),
  );
});

function modulesOf(version: AppVersion, path: string): JsonValue {
  const component = version.components[path];
  if (component === undefined) return [];
  const hashes = new Map(version.modules.map(({ key, hash }) => [key, hash]));
  return Object.entries(component.modules)
    .filter(([module]) => !module.startsWith("_"))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([module, analyzed]) => [
      module,
      {
        functions: functionsOf(analyzed),
        creationTime: version.importTime,
        // Another one whenever the source is: clients that have fetched it fetch it again.
        sourcePackageId: hashes.get(`${component.modulePrefix}${module}`) ?? version.version,
      },
    ]);
}

const ANY = JSON.stringify({ type: "any" });

function functionsOf({ functions, httpRoutes }: ComponentVersion["modules"][string]): JsonValue {
  return [
    ...functions.map(({ name, kind, visibility, args }): JsonObject => ({
      name,
      udfType: kind,
      visibility: { kind: visibility ?? "public" },
      argsValidator: args ?? ANY,
    })),
    ...(httpRoutes ?? []).map(([path, method]): JsonObject => ({
      name: `${method} ${path}`,
      udfType: "HttpAction",
      visibility: { kind: "public" },
      argsValidator: ANY,
    })),
  ];
}

/** A bundle's map names every file that went into it; the module's own has its path. */
async function sourceCode(
  code: CodeSource,
  version: AppVersion,
  component: string,
  path: string,
): Promise<string | null> {
  const prefix = version.components[component]?.modulePrefix;
  const mapKey = version.modules.find(({ key }) => key === `${prefix}${path}`)?.sourceMapKey;
  const text = mapKey === undefined ? null : await code.sourceMap(mapKey);
  if (text === null) return null;
  const { sources, sourcesContent } = parseSourceMap(text);
  const wanted = stripExtension(path);
  const at = sources.findLastIndex((source) => source !== null && isSourceOf(source, wanted));
  return sourcesContent?.[at] ?? null;
}

function isSourceOf(source: string, wanted: string): boolean {
  const bare = source.replace(/\.[cm]?[jt]sx?$/, "");
  return bare === wanted || bare.endsWith(`/${wanted}`);
}
