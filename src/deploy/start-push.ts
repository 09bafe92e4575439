import { Catalog } from "../engine/catalog.ts";
import type { CatalogRows } from "../engine/persistence.ts";
import { toHex } from "../shared/bytes.ts";
import { type ActiveVersion, loadActiveApp, schemasOf } from "./active-app.ts";
import { analyze, type Analysis } from "./analysis.ts";
import { buildAppVersion, storeAppVersion } from "./app-version.ts";
import { environmentDigests, openVariables } from "./environment.ts";
import type { AppVersion, NodeCode } from "../protocol/app.ts";
import { loadModules, type LoadedModule } from "./module-set.ts";
import { nodePackage } from "./node-package.ts";
import { checkNpmVersions } from "./npm-version.ts";
import type { DeployPorts } from "./ports.ts";
import { nodeServiceMissing } from "./push-error.ts";
import type { StartPushBody } from "./push-body.ts";
import { startPushResponse } from "./push-response.ts";
import { diffSchemas } from "./schema-diff.ts";

/** What a push is computed against. */
export interface PushBase {
  readonly rows: CatalogRows;
  readonly active: ActiveVersion | null;
  /** The user's variables. */
  readonly environment: ReadonlyMap<string, string>;
  /** What code sees: the user's variables and the built-in ones. */
  readonly variables: Readonly<Record<string, string>>;
}

export async function loadPushBase(
  ports: Pick<DeployPorts, "persistence" | "code" | "cipher" | "settings">,
): Promise<PushBase> {
  const rows = await ports.persistence.loadCatalog();
  const environment = await openVariables(rows.values, ports.cipher);
  return {
    rows,
    active: await loadActiveApp(rows.values, ports.code),
    environment,
    variables: { ...Object.fromEntries(environment), ...ports.settings.builtinVariables },
  };
}

/** Stored before it is analysed, and of a dry run too: the Node service fetches what it evaluates. */
async function storedNodeCode(
  body: StartPushBody,
  modules: readonly LoadedModule[],
  active: AppVersion | null,
  { code, nodeAnalyzer }: DeployPorts,
): Promise<NodeCode | null> {
  const node = await nodePackage(modules, body);
  if (node === null) return null;
  if (nodeAnalyzer === null) throw nodeServiceMissing();
  if (active?.node?.hash !== node.code.hash) await code.putPackage(node.code.hash, node.zip);
  return node.code;
}

/**
 * Evaluates the pushed code and says what it would change. Nothing that anyone could notice happens: code goes to R2
 * under its own hash, and the rest of the push is in the signed token. `convex codegen` stops after this request.
 */
export async function startPush(body: StartPushBody, ports: DeployPorts): Promise<object> {
  checkNpmVersions(body);
  const base = await loadPushBase(ports);
  const active = base.active?.app ?? null;
  const modules = await loadModules(body, active, ports.code, ports.settings);
  const node = await storedNodeCode(body, modules, active, ports);
  const { variables } = base;
  const analysis: Analysis = await analyze(body, modules, node, variables, ports.settings.builtinVariables, ports);
  const app = await buildAppVersion(body, analysis, modules, node, active, ports);
  if (!body.dryRun) {
    await storeAppVersion(app, modules, active, ports);
    if (node !== null) await ports.nodeAnalyzer?.prepare({ ...node, nodeVersion: app.nodeVersion });
  }

  const digests = await environmentDigests(base.environment, ports.cipher);
  const token = await ports.tokens.sign({
    id: toHex(ports.random.bytes(8)).toLowerCase(),
    startedAt: ports.clock.now(),
    version: app.version,
    generation: base.active?.generation ?? 0,
    environment: digests.all,
  });
  const diff = diffSchemas(new Catalog(base.rows), schemasOf(app));
  return startPushResponse(app, analysis, diff, digests.each, token);
}
