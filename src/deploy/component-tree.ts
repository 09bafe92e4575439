import type { EnvironmentBinding } from "../protocol/app.ts";
import type { AnalyzedModule } from "../protocol/invocation.ts";
import type { DefinitionExport } from "./definitions.ts";
import { type Declarations, matchesDeclaration, parseDeclarations } from "./environment-declarations.ts";
import { typecheckError } from "./push-error.ts";

/** One mounted component: an instance of a definition with data of its own. */
export interface ComponentNode {
  readonly definitionPath: string;
  /** `""` for the app. */
  readonly path: string;
  readonly children: ReadonlyMap<string, ComponentNode>;
  readonly declarations: Declarations;
  /** Null for the app, which sees every variable. */
  readonly bindings: Readonly<Record<string, EnvironmentBinding>> | null;
  readonly httpPrefix: string | null;
  /** Path prefix → child name. */
  readonly httpMounts: Readonly<Record<string, string>>;
}

/** Modules of a definition, as far as the tree depends on them: `http.js` decides what can be mounted. */
export type HttpModules = (definitionPath: string) => AnalyzedModule | undefined;

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/** Instantiates the app and everything below it, with the checks of `abi.md` §4.6. */
export function componentTree(definitions: ReadonlyMap<string, DefinitionExport>): ComponentNode {
  return instantiate("", "", null, null, definitions);
}

export function* componentNodes(root: ComponentNode): Iterable<ComponentNode> {
  yield root;
  for (const child of root.children.values()) yield* componentNodes(child);
}

function instantiate(
  definitionPath: string,
  path: string,
  bindings: Readonly<Record<string, EnvironmentBinding>> | null,
  parent: Declarations | null,
  definitions: ReadonlyMap<string, DefinitionExport>,
): ComponentNode {
  const definition = definitions.get(definitionPath);
  if (definition === undefined) throw typecheckError(`Component definition not found: ${definitionPath}`);
  const declarations = parseDeclarations(path === "" ? "The app" : `Component "${path}"`, definition.envVars ?? []);
  if (parent !== null && bindings !== null) checkBindings(path, declarations, bindings, parent);

  const children = new Map<string, ComponentNode>();
  for (const child of definition.childComponents) {
    if (!IDENTIFIER.test(child.name)) {
      throw typecheckError(`Component "${path}" has a child component with an invalid name: "${child.name}"`);
    }
    if (children.has(child.name)) {
      throw typecheckError(`Component "${path}" has multiple child components with the same name: "${child.name}"`);
    }
    const childPath = path === "" ? child.name : `${path}/${child.name}`;
    const childBindings = Object.fromEntries(child.env ?? []);
    children.set(child.name, instantiate(child.path, childPath, childBindings, declarations, definitions));
  }
  return {
    definitionPath,
    path,
    children,
    declarations,
    bindings,
    httpPrefix: definition.httpPrefix ?? null,
    httpMounts: httpMounts(definition, children),
  };
}

function checkBindings(
  path: string,
  declarations: Declarations,
  bindings: Readonly<Record<string, EnvironmentBinding>>,
  parent: Declarations,
): void {
  for (const [name, binding] of Object.entries(bindings)) {
    const declaration = declarations[name];
    if (declaration === undefined) throw typecheckError(`Component "${path}" has no env var named "${name}"`);
    if (binding.type === "envVar" && parent[binding.name] === undefined) {
      throw typecheckError(`Component "${path}" references undeclared parent env var "${binding.name}"`);
    }
    if (binding.type === "value" && !matchesDeclaration(declaration.validator, binding.value)) {
      throw typecheckError(`Component "${path}" has an invalid value for env var "${name}"`);
    }
  }
  for (const [name, { optional }] of Object.entries(declarations)) {
    if (!optional && bindings[name] === undefined) {
      throw typecheckError(`Component "${path}" is missing required env var "${name}"`);
    }
  }
}

function httpMounts(
  definition: DefinitionExport,
  children: ReadonlyMap<string, ComponentNode>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(definition.httpMounts).map(([prefix, reference]) => {
      const name = /^_reference\/childComponent\/([^/]+)$/.exec(reference)?.[1] ?? reference;
      if (!children.has(name)) {
        throw typecheckError(`HTTP mount "${prefix}" is invalid: Child component "${name}" not found.`);
      }
      return [prefix, name];
    }),
  );
}

/** Checks what needs the routes of the modules. Call it when they are analysed. */
export function checkHttpMounts(node: ComponentNode, http: HttpModules): void {
  const prefixes = new Set(
    (http(node.definitionPath)?.httpRoutes ?? []).flatMap(([route]) =>
      route.endsWith("*") ? [route.slice(0, -1)] : [],
    ),
  );
  const mounted: string[] = [];
  for (const [prefix, name] of Object.entries(node.httpMounts)) {
    const child = node.children.get(name);
    const routes = child === undefined ? null : http(child.definitionPath)?.httpRoutes;
    const invalid = (detail: string) => typecheckError(`HTTP mount "${prefix}" is invalid: ${detail}`);
    if (child === undefined || ((routes ?? null) === null && Object.keys(child.httpMounts).length === 0)) {
      throw invalid(`Child component "${name}" doesn't have any HTTP routes.`);
    }
    if (prefixes.has(prefix)) throw invalid("Overlap with existing prefix route");
    if (mounted.some((other) => other.startsWith(prefix) || prefix.startsWith(other))) {
      throw invalid("Overlap with previously mounted route");
    }
    mounted.push(prefix);
  }
  for (const child of node.children.values()) checkHttpMounts(child, http);
}
