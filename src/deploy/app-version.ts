import type { AppVersion, ComponentVersion, ModuleReference, NodeCode } from "../protocol/app.ts";
import { must } from "../shared/assert.ts";
import { realmBundle } from "../runtime/code/realm-bundle.ts";
import type { Clock } from "../shared/clock.ts";
import { toHex } from "../shared/bytes.ts";
import type { JsonObject } from "../shared/json.ts";
import type { Random } from "../shared/random.ts";
import type { Analysis } from "./analysis.ts";
import { bundleKey, type CodeStore } from "./code-store.ts";
import { DEFAULT_FUNCTIONS } from "./config-hashes.ts";
import { componentNodes, type ComponentNode } from "./component-tree.ts";
import { canonicalJson, sha256Hex } from "./digest.ts";
import { modulePrefix } from "./module-path.ts";
import { isolateSources, type LoadedModule } from "./module-set.ts";
import type { StartPushBody } from "./push-body.ts";

/**
 * Turns an analysed push into the version that would run it. Code that equals the active version's keeps that one's
 * import seed and time, so pushing the same code again gives the same version and no new isolate.
 */
export async function buildAppVersion(
  body: StartPushBody,
  analysis: Analysis,
  modules: readonly LoadedModule[],
  node: NodeCode | null,
  active: AppVersion | null,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<AppVersion> {
  const content: AppContent = {
    components: Object.fromEntries(
      [...componentNodes(analysis.tree)].map((node) => [node.path, componentVersion(node, analysis)]),
    ),
    modules: modules.map(reference).toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    bundleKey: await bundleKeyOf(modules),
    ...(body.functions === DEFAULT_FUNCTIONS ? {} : { functions: body.functions }),
    npmVersion: body.appDefinition.udfServerVersion,
    nodeVersion: body.nodeVersion ?? null,
    ...(node === null ? {} : { node }),
    authProviders: analysis.authProviders,
  };
  const same = active !== null && canonicalJson(contentOf(active)) === canonicalJson(content);
  const importPhase = same
    ? { importSeed: active.importSeed, importTime: active.importTime }
    : { importSeed: toHex(random.bytes(16)).toLowerCase(), importTime: Math.floor(clock.now()) };
  return { version: await sha256Hex(canonicalJson({ ...content, ...importPhase })), ...content, ...importPhase };
}

/** A module and its map are two writes; the platform has six under way at most. */
const MODULES_AT_ONCE = 8;

/** Stores the version and everything it names. What the active version has already is not written again. */
export async function storeAppVersion(
  app: AppVersion,
  modules: readonly LoadedModule[],
  active: AppVersion | null,
  { code, pause }: { readonly code: CodeStore; readonly pause: () => Promise<void> },
): Promise<void> {
  if (active?.version === app.version) return;
  const stored = new Set(active?.modules.map((module) => module.hash));
  const added = modules.filter((module) => !stored.has(module.hash));
  for (let at = 0; at < added.length; at += MODULES_AT_ONCE) {
    const batch = added.slice(at, at + MODULES_AT_ONCE);
    await Promise.all(batch.map((module) => code.putModule(module.hash, module.source, module.sourceMap)));
    await pause();
  }
  if (active?.bundleKey !== app.bundleKey) {
    await code.putBundle(app.bundleKey, isolateSources(modules));
    // Now, so that the first call does not wait for it.
    await realmBundle(code, app.bundleKey, pause);
  }
  await code.putApp(app);
}

type AppContent = Omit<AppVersion, "version" | "importSeed" | "importTime">;

function contentOf({ version: _version, importSeed: _seed, importTime: _time, ...content }: AppVersion): AppContent {
  return content;
}

function componentVersion(node: ComponentNode, analysis: Analysis): ComponentVersion {
  const { definitionPath } = node;
  return {
    definitionPath,
    modulePrefix: modulePrefix(definitionPath),
    children: Object.fromEntries([...node.children].map(([name, child]) => [name, child.path])),
    modules: Object.fromEntries(must(analysis.modules.get(definitionPath), `analysis of ${definitionPath}`)),
    schema: analysis.schemas.get(definitionPath) ?? null,
    httpPrefix: node.httpPrefix,
    httpMounts: node.httpMounts,
    environment: node.bindings,
    ...(Object.keys(node.declarations).length === 0 ? {} : { declaredEnvironment: node.declarations }),
  };
}

function reference(module: LoadedModule): ModuleReference {
  const { key, path, environment, hash, sourceMapKey } = module;
  return { key, path, environment, hash, ...(sourceMapKey === undefined ? {} : { sourceMapKey }) };
}

/** Hashes of keys and modules stand for the text of the bundle. Node modules are not in it. */
async function bundleKeyOf(modules: readonly LoadedModule[]): Promise<string> {
  const named: JsonObject = Object.fromEntries(
    modules.filter((module) => module.environment === "isolate").map((module) => [module.key, module.hash]),
  );
  return bundleKey(await sha256Hex(canonicalJson(named)));
}
