import type { NodeCode, SchemaJson } from "../protocol/app.ts";
import type { AnalyzedModule } from "../protocol/invocation.ts";
import { badRequest, CodedError } from "../shared/coded-error.ts";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import { parseAuthProviders } from "./auth-config.ts";
import { exportTree, type ExportTree } from "./component-exports.ts";
import { checkHttpMounts, componentTree, type ComponentNode } from "./component-tree.ts";
import { checkCrons } from "./crons.ts";
import { evaluateDefinitions, type DefinitionExport } from "./definitions.ts";
import { EvaluationErrors, schemaError } from "./evaluation-error.ts";
import { AUTH_CONFIG, isAnalyzed, modulePrefix } from "./module-path.ts";
import { checkValidators } from "./function-validators.ts";
import { isolateSources, type LoadedModule } from "./module-set.ts";
import type { DeployPorts, PushedNodeCode } from "./ports.ts";
import type { PushedModule, StartPushBody } from "./push-body.ts";
import { nodeServiceMissing } from "./push-error.ts";
import { parseSchemaJson } from "./schema-json.ts";

export type EnvironmentModule = AnalyzedModule & { readonly environment: "isolate" | "node" };

/** What `schema.ts` and `convex.config.ts` files say: enough to compare schemas, before any function is looked at. */
export interface Declared {
  readonly definitions: ReadonlyMap<string, DefinitionExport>;
  /** By definition path; null when the definition has no schema. */
  readonly schemas: ReadonlyMap<string, SchemaJson | null>;
  readonly tree: ComponentNode;
}

export interface Analysis extends Declared {
  /** Definition path → module path → analysis. */
  readonly modules: ReadonlyMap<string, ReadonlyMap<string, EnvironmentModule>>;
  readonly exports: ReadonlyMap<string, ExportTree>;
  readonly authProviders: readonly JsonObject[];
}

type AnalysisPorts = Pick<DeployPorts, "analyzer" | "nodeAnalyzer" | "rules">;

export async function evaluateDeclarations(
  body: StartPushBody,
  variables: Readonly<Record<string, string>>,
  ports: AnalysisPorts,
): Promise<Declared> {
  const errors = new EvaluationErrors(ports.analyzer, configSourceMaps(body));
  const definitions = await evaluateDefinitions(body, variables, ports.analyzer, errors);
  const tree = componentTree(definitions);
  const schemas = new Map<string, SchemaJson | null>();
  const pushed: [string, PushedModule | null][] = [
    ["", body.appDefinition.schema],
    ...body.componentDefinitions.map(({ definitionPath, schema }): [string, PushedModule | null] => [
      definitionPath,
      schema,
    ]),
  ];
  // One after the other: a request may have few isolates under way.
  for (const [path, module] of pushed) {
    schemas.set(path, module === null ? null : await evaluateSchema(modulePrefix(path), module, ports, errors));
  }
  return { definitions, schemas, tree };
}

export async function analyze(
  body: StartPushBody,
  modules: readonly LoadedModule[],
  node: NodeCode | null,
  variables: Readonly<Record<string, string>>,
  builtins: Readonly<Record<string, string>>,
  ports: AnalysisPorts,
): Promise<Analysis> {
  const declared = await evaluateDeclarations(body, variables, ports);
  const maps = new Map(modules.map((module) => [module.key, module.sourceMap]));
  const errors = new EvaluationErrors(ports.analyzer, (module) => maps.get(module));

  const analyzed = new Map<string, ReadonlyMap<string, EnvironmentModule>>();
  for (const definition of declared.definitions.keys()) {
    const own = modules.filter((module) => module.definition === definition);
    // A component's variables differ from mount to mount; its set of functions must not depend on them (P-F-28).
    analyzed.set(definition, await analyzeIsolateModules(own, definition === "" ? variables : builtins, ports, errors));
  }
  if (node !== null) {
    const code = { ...node, nodeVersion: body.nodeVersion ?? null };
    const own = await analyzeNodeModules(code, modules, variables, ports, errors);
    analyzed.set("", new Map([...own, ...(analyzed.get("") ?? [])]));
  }
  const exports = new Map<string, ExportTree>();
  for (const [definition, own] of analyzed) {
    checkValidators(own);
    checkCrons(own);
    exports.set(definition, definition === "" ? new Map() : exportTree(own.values()));
  }
  checkHttpMounts(declared.tree, (definition) => analyzed.get(definition)?.get("http.js"));

  const authConfig = modules.find((module) => module.definition === "" && module.path === AUTH_CONFIG);
  const authProviders = authConfig === undefined ? [] : await evaluateAuthConfig(authConfig, variables, ports, errors);
  return { ...declared, modules: analyzed, exports, authProviders };
}

/** Only the app itself has any (E-D-5). */
async function analyzeNodeModules(
  code: PushedNodeCode,
  modules: readonly LoadedModule[],
  variables: Readonly<Record<string, string>>,
  { nodeAnalyzer }: AnalysisPorts,
  errors: EvaluationErrors,
): Promise<ReadonlyMap<string, EnvironmentModule>> {
  const targets = modules.filter((module) => module.environment === "node" && isAnalyzed(module.path));
  const analyzed = new Map<string, EnvironmentModule>();
  if (targets.length === 0) return analyzed;
  if (nodeAnalyzer === null) throw nodeServiceMissing();
  const result = await nodeAnalyzer.analyze(code, { kind: "modules", modules: targets.map(target) }, variables);
  if (!result.ok) throw errors.ofNodeModule(result);
  for (const module of "modules" in result ? result.modules : []) {
    checkNodeModule(module);
    analyzed.set(module.path, { ...module, environment: "node" });
  }
  return analyzed;
}

async function analyzeIsolateModules(
  modules: readonly LoadedModule[],
  variables: Readonly<Record<string, string>>,
  ports: AnalysisPorts,
  errors: EvaluationErrors,
): Promise<ReadonlyMap<string, EnvironmentModule>> {
  const analyzed = new Map<string, EnvironmentModule>();
  const isolate = modules.filter((module) => module.environment === "isolate" && isAnalyzed(module.path));
  if (isolate.length > 0) {
    const request = { kind: "modules", modules: isolate.map(target) } as const;
    const result = await ports.analyzer.analyze(isolateSources(modules), request, variables);
    if (!result.ok) throw errors.ofModule(result);
    for (const module of "modules" in result ? result.modules : []) {
      analyzed.set(module.path, { ...module, environment: "isolate" });
    }
  }
  return analyzed;
}

function target({ key, path }: LoadedModule): { readonly module: string; readonly path: string } {
  return { module: key, path };
}

function checkNodeModule(module: AnalyzedModule): void {
  const other = module.functions.find((candidate) => candidate.kind !== "Action");
  if (other !== undefined) {
    throw badRequest(
      "InvalidNodeFunction",
      `\`${other.name}\` defined in \`${module.path}\` is a ${other.kind} function. Only actions can be defined in Node.js. See https://docs.convex.dev/functions/actions for more details.`,
    );
  }
}

async function evaluateSchema(
  prefix: string,
  module: PushedModule,
  ports: AnalysisPorts,
  errors: EvaluationErrors,
): Promise<SchemaJson> {
  const key = prefix + module.path;
  const result = await ports.analyzer.analyze({ [key]: module.source }, { kind: "schema", module: key }, {});
  if (!result.ok) throw errors.ofSchema(result);
  try {
    const exported = "exported" in result ? parseExported(result.exported) : null;
    ports.rules.checkSchema(exported);
    return parseSchemaJson(exported);
  } catch (error) {
    if (error instanceof CodedError) throw schemaError(error.message);
    throw error;
  }
}

async function evaluateAuthConfig(
  module: LoadedModule,
  variables: Readonly<Record<string, string>>,
  ports: AnalysisPorts,
  errors: EvaluationErrors,
): Promise<readonly JsonObject[]> {
  const request = { kind: "authConfig", module: module.key } as const;
  const result = await ports.analyzer.analyze({ [module.key]: module.source }, request, variables);
  if (!result.ok) throw errors.ofAuthConfig(result);
  return parseAuthProviders("exported" in result ? parseExported(result.exported) : null);
}

/** A schema's `export()` returns JSON text itself, so its answer may be text within text. */
function parseExported(exported: string): JsonValue {
  const value = JSON.parse(exported) as JsonValue;
  return typeof value === "string" ? (JSON.parse(value) as JsonValue) : value;
}

function configSourceMaps(body: StartPushBody): (module: string) => string | undefined {
  const maps = new Map<string, string>();
  const add = (prefix: string, module: PushedModule | null): void => {
    if (typeof module?.sourceMap === "string") maps.set(prefix + module.path, module.sourceMap);
  };
  add(modulePrefix(""), body.appDefinition.definition);
  add(modulePrefix(""), body.appDefinition.schema);
  for (const { definitionPath, definition, schema } of body.componentDefinitions) {
    add(modulePrefix(definitionPath), definition);
    add(modulePrefix(definitionPath), schema);
  }
  return (module) => maps.get(module);
}
