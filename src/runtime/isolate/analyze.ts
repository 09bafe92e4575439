import { AnalysisMistake, exportedFunctions, isHolder } from "../../values/exported-functions.ts";
import type { AnalyzedModule, AnalyzeRequest, AnalyzeResult } from "../../protocol/invocation.ts";
import { routerMistake } from "./http-action.ts";
import { whileImporting } from "./import-phase.ts";
import { type LoadedModule, loadedModule } from "./module-table.ts";
import { thrownError } from "./thrown-error.ts";

const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
const SCHEMA_DOCS = "To learn more, see the schema documentation at https://docs.convex.dev/database/schemas.";

/** Only in a throw-away isolate: whatever the modules do to it ends with it. */
export async function analyze(text: string): Promise<AnalyzeResult> {
  const request = JSON.parse(text) as AnalyzeRequest;
  if (request.kind === "modules") return analyzeModules(request.modules);
  const path = request.module.replace(/^app\//, "");
  const evaluate = { schema: evaluateSchema, definition: evaluateDefinition, authConfig: evaluateAuthConfig };
  return inspectModule(request.module, path, (namespace) => ({
    ok: true,
    exported: evaluate[request.kind](namespace),
  }));
}

function analyzeModules(modules: readonly { readonly module: string; readonly path: string }[]): AnalyzeResult {
  const analyzed: AnalyzedModule[] = [];
  for (const { module, path } of modules) {
    const failed = inspectModule(module, path, (namespace) => {
      analyzed.push(analyzeModule(path, namespace));
    });
    if (failed !== undefined) return failed;
  }
  return { ok: true, modules: analyzed };
}

/** Runs `look` as part of the module's evaluation: it may print, and the rules of import still hold. */
function inspectModule<T>(
  key: string,
  path: string,
  look: (namespace: object) => T,
): T | Extract<AnalyzeResult, { ok: false }> {
  const module = loadedModule(key);
  if (module === undefined) {
    const text = `Couldn't find JavaScript module '${path}'. Did you forget to run \`npx convex dev\`?`;
    return { ok: false, path, error: thrownError(new Error(text)), logs: [], text };
  }
  if (!module.ok) return failure(path, module, module.error);
  try {
    return whileImporting(module.imported, () => look(module.namespace));
  } catch (error) {
    return failure(path, module, error);
  }
}

function failure(path: string, module: LoadedModule, error: unknown): Extract<AnalyzeResult, { ok: false }> {
  const text = error instanceof AnalysisMistake ? error.message : module.ok ? undefined : module.text;
  const logs = module.imported.logs;
  return { ok: false, path, error: thrownError(error), logs, ...(text === undefined ? {} : { text }) };
}

function defaultExport(namespace: object): unknown {
  return Object.hasOwn(namespace, "default") ? Reflect.get(namespace, "default") : undefined;
}

function analyzeModule(path: string, namespace: object): AnalyzedModule {
  return {
    path,
    functions: exportedFunctions(path, namespace),
    httpRoutes: path === "http.js" ? httpRoutes(defaultExport(namespace)) : null,
    crons: path === "crons.js" ? crons(defaultExport(namespace)) : null,
  };
}

function httpRoutes(router: unknown): readonly (readonly [string, string])[] {
  const mistake = routerMistake(router);
  if (mistake !== undefined || !isHolder(router)) throw new AnalysisMistake(mistake ?? "");
  const getRoutes: unknown = Reflect.get(router, "getRoutes");
  if (typeof getRoutes !== "function") throw unexpectedRoutes("`getRoutes` is not a function");
  const routes: unknown = Reflect.apply(getRoutes, router, []);
  if (!Array.isArray(routes)) throw unexpectedRoutes("the result is not an array");
  return routes.map((entry: unknown) => {
    if (!Array.isArray(entry) || entry.length !== 3) throw unexpectedRoutes("an entry is not an array of length 3");
    const [path, method] = entry as unknown[];
    if (typeof path !== "string") throw unexpectedRoutes("a path is not a string");
    if (typeof method !== "string") throw unexpectedRoutes("a method is not a string");
    if (!METHODS.includes(method)) {
      throw new AnalysisMistake(`'${method}' is not not a routable method (one of ${METHODS.join(", ")})`);
    }
    return [path, method] as const;
  });
}

function unexpectedRoutes(detail: string): AnalysisMistake {
  return new AnalysisMistake(
    "The `getRoutes()` method of Router did not return the expected type. `getRoutes()` should be a function " +
      `returning an array of entries of the form [path: string, method: string, handler: HttpAction] (${detail})`,
  );
}

function crons(value: unknown): string {
  if (value === undefined) {
    throw new AnalysisMistake("`convex/crons.js` must have a default export of a Crons object.");
  }
  const exporter: unknown = isHolder(value) ? Reflect.get(value, "export") : undefined;
  if (!isHolder(value) || Reflect.get(value, "isCrons") !== true || typeof exporter !== "function") {
    throw new AnalysisMistake("The default export of `convex/crons.js` is not a Crons object.");
  }
  return String(Reflect.apply(exporter, value, []));
}

function evaluateSchema(namespace: object): string {
  const schema = defaultExport(namespace);
  if (schema === undefined) throw new AnalysisMistake(`Schema file missing default export. ${SCHEMA_DOCS}`);
  const exporter: unknown = isHolder(schema) ? Reflect.get(schema, "export") : undefined;
  const text: unknown = typeof exporter === "function" ? Reflect.apply(exporter, schema, []) : undefined;
  if (typeof text !== "string") {
    throw new AnalysisMistake(`Default export from schema file isn't a Convex schema. ${SCHEMA_DOCS}`);
  }
  return text;
}

/** Returns an object, unlike that of a schema (`abi.md` §4.6). */
function evaluateDefinition(namespace: object): string {
  const definition = defaultExport(namespace);
  const exporter: unknown = isHolder(definition) ? Reflect.get(definition, "export") : undefined;
  if (typeof exporter !== "function") {
    throw new AnalysisMistake("convex.config.ts must have a default export of an app or component definition.");
  }
  return JSON.stringify(Reflect.apply(exporter, definition, []));
}

function evaluateAuthConfig(namespace: object): string {
  const config = defaultExport(namespace);
  if (config === undefined) {
    throw new AnalysisMistake(
      "auth config file is missing default export. To learn more, see the auth documentation at https://docs.convex.dev/auth.",
    );
  }
  const providers: unknown = isHolder(config) ? Reflect.get(config, "providers") : undefined;
  if (!Array.isArray(providers)) {
    throw new AnalysisMistake(
      "auth config file must include a list of provider credentials: missing field `providers`",
    );
  }
  return JSON.stringify(providers);
}
