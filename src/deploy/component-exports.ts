import type { AnalyzedModule } from "../protocol/invocation.ts";
import { badRequest } from "../shared/coded-error.ts";
import { strippedModulePath } from "./module-path.ts";

/** Public functions of a component as its parent addresses them: one branch per path segment, functions as leaves. */
export type ExportTree = Map<string, ExportTree | ExportedFunction>;

export interface ExportedFunction {
  readonly module: string;
  readonly function: string;
}

export function exportTree(modules: Iterable<AnalyzedModule>): ExportTree {
  const root: ExportTree = new Map();
  for (const module of modules) {
    for (const { name, visibility } of module.functions) {
      if (visibility !== "public") continue;
      const path = strippedModulePath(module.path);
      let branch = root;
      for (const segment of path.split("/")) {
        const next = branch.get(segment) ?? new Map<string, ExportTree | ExportedFunction>();
        if (!(next instanceof Map)) throw conflict(path, name);
        branch.set(segment, next);
        branch = next;
      }
      if (branch.has(name)) throw conflict(path, name);
      branch.set(name, { module: module.path, function: name });
    }
  }
  return root;
}

/** Form of `analysis[*].definition.exports`. */
export function exportReferences(tree: ExportTree): object {
  return {
    type: "branch",
    branch: [...tree].map(([name, child]) => [
      name,
      child instanceof Map
        ? exportReferences(child)
        : { type: "leaf", leaf: `_reference/function/${strippedModulePath(child.module)}:${child.function}` },
    ]),
  };
}

/** Form of `app.exports` in a component instance. */
export function checkedExports(tree: ExportTree, component: string): Record<string, object> {
  return Object.fromEntries(
    [...tree].map(([name, child]) => [
      name,
      child instanceof Map
        ? { type: "branch", children: checkedExports(child, component) }
        : {
            type: "leaf",
            resource: { type: "function", path: { component, udfPath: `${child.module}:${child.function}` } },
          },
    ]),
  );
}

function conflict(path: string, name: string) {
  return badRequest("ConflictingExport", `Path ${path}:${name} conflicts with existing export`);
}
