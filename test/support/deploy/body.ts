import type { PushedModule, StartPushBody } from "../../../src/deploy/push-body.ts";
import type { JsonValue } from "../../../src/shared/json.ts";

export interface TableSpec {
  readonly fields?: Readonly<Record<string, "string" | "number">>;
  readonly optional?: readonly string[];
  readonly indexes?: Readonly<Record<string, readonly string[]>>;
  readonly staged?: Readonly<Record<string, readonly string[]>>;
  readonly search?: Readonly<Record<string, string>>;
}

/** Modules written by hand, shaped like the bundler's. */
export function module(path: string, source: string, environment: "isolate" | "node" = "isolate"): PushedModule {
  return { path, source, environment };
}

export function schemaModule(tables: Readonly<Record<string, TableSpec>>, schemaValidation = true): PushedModule {
  const json: JsonValue = {
    schemaValidation,
    tables: Object.entries(tables).map(([tableName, { fields, optional, indexes, staged, search }]) => ({
      tableName,
      indexes: descriptors(indexes),
      stagedDbIndexes: descriptors(staged),
      searchIndexes: Object.entries(search ?? {}).map(([indexDescriptor, searchField]) => ({
        indexDescriptor,
        searchField,
        filterFields: [],
      })),
      vectorIndexes: [],
      documentType:
        fields === undefined
          ? { type: "any" }
          : {
              type: "object",
              value: Object.fromEntries(
                Object.entries(fields).map(([name, type]) => [
                  name,
                  { fieldType: { type }, optional: optional?.includes(name) ?? false },
                ]),
              ),
            },
    })),
  };
  return module("schema.js", `export default { export: () => ${JSON.stringify(JSON.stringify(json))} };`);
}

export function appModule(definition: object = {}): PushedModule {
  const exported = {
    definitionType: { type: "app" },
    childComponents: [],
    httpMounts: {},
    exports: { type: "branch", branch: [] },
    ...definition,
  };
  return module("convex.config.js", `export default { export: () => (${JSON.stringify(exported)}) };`);
}

export function componentModule(name: string, definition: object = {}): PushedModule {
  return appModule({ name, definitionType: { type: "childComponent", name, args: [] }, ...definition });
}

export function body(
  app: Partial<StartPushBody["appDefinition"]> = {},
  rest: Partial<Omit<StartPushBody, "appDefinition">> = {},
): StartPushBody {
  return {
    dryRun: false,
    functions: "convex/",
    appDefinition: {
      definition: appModule(),
      dependencies: [],
      schema: null,
      changedModules: [],
      unchangedModuleHashes: [],
      udfServerVersion: "1.48.0",
      ...app,
    },
    componentDefinitions: [],
    nodeDependencies: [],
    ...rest,
  };
}

/** Source of a registered function, as the `convex` package makes one. */
export function registered(
  kind: "Query" | "Mutation" | "Action",
  visibility: "Public" | "Internal" = "Public",
): string {
  return `Object.assign(() => {}, { is${kind}: true, is${visibility}: true })`;
}

function descriptors(indexes: Readonly<Record<string, readonly string[]>> = {}): JsonValue {
  return Object.entries(indexes).map(([indexDescriptor, fields]) => ({ indexDescriptor, fields }));
}
