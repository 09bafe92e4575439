import { z } from "zod";
import { CodedError } from "../shared/coded-error.ts";
import { must } from "../shared/assert.ts";
import { toBase64Url } from "./digest.ts";
import type { EvaluationErrors } from "./evaluation-error.ts";
import { modulePrefix } from "./module-path.ts";
import type { Analyzer } from "./ports.ts";
import type { PushedModule, StartPushBody } from "./push-body.ts";
import { typecheckError } from "./push-error.ts";

const environmentBinding = z.discriminatedUnion("type", [
  z.object({ type: z.literal("value"), value: z.string() }),
  z.object({ type: z.literal("envVar"), name: z.string() }),
]);

const environmentDeclaration = z.object({
  type: z.literal("value"),
  /** Validator JSON as text. */
  value: z.string(),
  optional: z.boolean().optional(),
});

/** What `export()` of a `convex.config` returns (`abi.md` §4.6). */
const definitionExport = z.looseObject({
  definitionType: z.discriminatedUnion("type", [
    z.looseObject({ type: z.literal("app") }),
    z.looseObject({ type: z.literal("childComponent"), name: z.string() }),
  ]),
  httpPrefix: z.string().nullish(),
  childComponents: z.array(
    z.looseObject({
      name: z.string(),
      path: z.string(),
      env: z.array(z.tuple([z.string(), environmentBinding])).nullish(),
    }),
  ),
  httpMounts: z.record(z.string(), z.string()),
  envVars: z.array(z.tuple([z.string(), environmentDeclaration])).nullish(),
});

export type DefinitionExport = z.infer<typeof definitionExport>;
export type EnvironmentDeclarations = NonNullable<DefinitionExport["envVars"]>;

const EMPTY_APP: DefinitionExport = { definitionType: { type: "app" }, childComponents: [], httpMounts: {} };

interface PushedDefinition {
  readonly path: string;
  readonly module: PushedModule | null;
  readonly dependencies: readonly string[];
}

/**
 * Evaluates the definitions, children before parents: a parent imports each child as a synthetic module
 * `./_componentDeps/<base64url of its path>` that carries the child's answer.
 */
export async function evaluateDefinitions(
  body: StartPushBody,
  variables: Readonly<Record<string, string>>,
  analyzer: Analyzer,
  errors: EvaluationErrors,
): Promise<ReadonlyMap<string, DefinitionExport>> {
  const definitions = new Map<string, DefinitionExport>();
  for (const definition of childrenFirst(body)) {
    definitions.set(definition.path, await evaluate(definition, definitions, variables, analyzer, errors));
  }
  return definitions;
}

async function evaluate(
  definition: PushedDefinition,
  known: ReadonlyMap<string, DefinitionExport>,
  variables: Readonly<Record<string, string>>,
  analyzer: Analyzer,
  errors: EvaluationErrors,
): Promise<DefinitionExport> {
  if (definition.module === null) return EMPTY_APP;
  const prefix = modulePrefix(definition.path);
  const main = prefix + definition.module.path;
  const children = definition.dependencies.map((path) => [
    `${prefix}_componentDeps/${toBase64Url(new TextEncoder().encode(path))}`,
    syntheticModule(path, must(known.get(path), `definition ${path}`)),
  ]);
  const result = await analyzer.analyze(
    { ...Object.fromEntries(children), [main]: definition.module.source },
    { kind: "definition", module: main },
    definition.path === "" ? variables : {},
  );
  if (!result.ok) throw errors.ofDefinition(result);
  const parsed = definitionExport.safeParse("exported" in result ? JSON.parse(result.exported) : null);
  if (!parsed.success) {
    throw typecheckError(`The default export of ${definition.module.path} is not a component or app definition.`);
  }
  const type = parsed.data.definitionType.type;
  if ((type === "app") !== (definition.path === "")) {
    throw typecheckError(
      definition.path === ""
        ? "The default export of the root convex.config must be made with `defineApp`."
        : `The default export of the convex.config in "${definition.path}" must be made with \`defineComponent\`.`,
    );
  }
  return parsed.data;
}

function syntheticModule(path: string, definition: DefinitionExport): string {
  const type = definition.definitionType;
  const name = type.type === "childComponent" ? type.name : null;
  const exported = JSON.stringify(JSON.stringify(definition));
  return `export default {
  export() { return JSON.parse(${exported}); },
  componentDefinitionPath: ${JSON.stringify(path)},
  defaultName: ${JSON.stringify(name)},
};
`;
}

function childrenFirst(body: StartPushBody): readonly PushedDefinition[] {
  const pushed = new Map<string, PushedDefinition>();
  for (const { definitionPath, definition, dependencies } of body.componentDefinitions) {
    pushed.set(definitionPath, { path: definitionPath, module: definition, dependencies });
  }
  const app = body.appDefinition;
  pushed.set("", { path: "", module: app.definition, dependencies: app.dependencies });

  const ordered: PushedDefinition[] = [];
  const state = new Map<string, "open" | "done">();
  const visit = (path: string): void => {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") {
      throw new CodedError("BadRequest", "CyclicComponentDefinition", "Found cyclic definition dependency");
    }
    const definition = pushed.get(path);
    if (definition === undefined) throw typecheckError(`Component definition not found: ${path}`);
    state.set(path, "open");
    for (const dependency of definition.dependencies) visit(dependency);
    state.set(path, "done");
    ordered.push(definition);
  };
  for (const path of pushed.keys()) visit(path);
  return ordered;
}
