import type { AppVersion, DatabaseIndexJson, SchemaJson } from "../protocol/app.ts";
import type { AnalyzedModule } from "../protocol/invocation.ts";
import { must } from "../shared/assert.ts";
import { fromHex } from "../shared/bytes.ts";
import type { Analysis } from "./analysis.ts";
import { checkedExports, exportReferences } from "./component-exports.ts";
import type { ComponentNode } from "./component-tree.ts";
import { parseCrons } from "./crons.ts";
import { indexDiff } from "./index-diff.ts";
import type { SchemaDiff } from "./schema-diff.ts";

/** Answer of `start_push`. The client prints it, generates code from it and sends it back; only the token is read. */
export function startPushResponse(
  app: AppVersion,
  analysis: Analysis,
  diff: SchemaDiff,
  environmentDigests: Readonly<Record<string, string>>,
  pushToken: string,
): object {
  return {
    // Digests, not values: the client only needs them to be strings.
    environmentVariables: environmentDigests,
    externalDepsId: null,
    componentDefinitionPackages: Object.fromEntries([...analysis.definitions.keys()].map((path) => [path, null])),
    appAuth: app.authProviders,
    analysis: Object.fromEntries(
      [...analysis.definitions.keys()].map((path) => [path, evaluatedDefinition(path, app, analysis)]),
    ),
    app: checkedComponent(analysis.tree, analysis),
    schemaChange: { ...schemaChange(Object.keys(app.components), diff), pushToken },
  };
}

export function schemaChange(components: readonly string[], diff: SchemaDiff): object {
  return {
    allocatedComponentIds: {},
    schemaIds: {},
    indexDiffs: Object.fromEntries(components.map((path) => [path, indexDiff(diff, path)])),
  };
}

function evaluatedDefinition(path: string, app: AppVersion, analysis: Analysis): object {
  const definition = must(analysis.definitions.get(path), `definition ${path}`);
  return {
    definition: { ...definition, path, exports: exportReferences(must(analysis.exports.get(path), "exports")) },
    schema: evaluatedSchema(analysis.schemas.get(path) ?? null),
    functions: Object.fromEntries(
      [...must(analysis.modules.get(path), "modules")].map(([module, analyzed]) => [module, analyzedModule(analyzed)]),
    ),
    udfConfig: {
      serverVersion: app.npmVersion,
      importPhaseRngSeed: { $bytes: base64(fromHex(app.importSeed)) },
      importPhaseUnixTimestamp: { $integer: base64(int64(BigInt(app.importTime) * 1_000_000n)) },
    },
  };
}

/** As the client makes static types of it, in which a range may end in `_creationTime` like every index does. */
function evaluatedSchema(schema: SchemaJson | null): SchemaJson | null {
  if (schema === null) return null;
  const complete = (index: DatabaseIndexJson): DatabaseIndexJson => ({
    ...index,
    fields: [...index.fields, "_creationTime"],
  });
  return {
    ...schema,
    tables: schema.tables.map((table) => ({
      ...table,
      indexes: table.indexes.map(complete),
      stagedDbIndexes: table.stagedDbIndexes.map(complete),
    })),
  };
}

function analyzedModule(module: AnalyzedModule): object {
  const crons = parseCrons(module);
  return {
    functions: module.functions.map(({ name, kind, visibility, args, returns }) => ({
      name,
      pos: null,
      udfType: kind,
      visibility: visibility === null ? null : { kind: visibility },
      args,
      returns,
    })),
    httpRoutes: module.httpRoutes?.map(([path, method]) => ({ route: { path, method }, pos: null })) ?? null,
    cronSpecs:
      module.crons === null
        ? null
        : [...crons].map(([id, { name, args, schedule }]) => [
            id,
            { udfPath: name, udfArgs: args, cronSchedule: schedule },
          ]),
    sourceMapped: null,
  };
}

function checkedComponent(node: ComponentNode, analysis: Analysis): object {
  const routes = analysis.modules.get(node.definitionPath)?.get("http.js")?.httpRoutes ?? null;
  return {
    definitionPath: node.definitionPath,
    componentPath: node.path,
    args: {},
    childComponents: Object.fromEntries(
      [...node.children].map(([name, child]) => [name, checkedComponent(child, analysis)]),
    ),
    httpRoutes: {
      httpModuleRoutes: routes?.map(([path, method]) => ({ path, method })) ?? null,
      mounts: Object.keys(node.httpMounts),
    },
    exports: checkedExports(must(analysis.exports.get(node.definitionPath), "exports"), node.path),
  };
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

function int64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value, true);
  return bytes;
}
