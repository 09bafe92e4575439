import type { AppVersion } from "../../protocol/app.ts";

/** The app's environment variables, built-ins included. One object per catalog version: identity is equality. */
export type Variables = Readonly<Record<string, string>>;

/** Present in every function and not settable by the user (`features.md` P-E-2). */
export const BUILT_IN_VARIABLES = ["CONVEX_CLOUD_URL", "CONVEX_SITE_URL"] as const;

/**
 * `process.env` of every component: the app sees all variables, a component its declared ones (bound to a value or
 * to a variable of its parent) and the built-ins, with its mount prefix on the site URL (`abi.md` §4.6).
 */
export function componentVariables(app: AppVersion, variables: Variables): Record<string, Variables> {
  const result: Record<string, Variables> = { "": variables };
  const visit = (path: string): void => {
    const component = app.components[path];
    const parent = result[path];
    if (component === undefined || parent === undefined) return;
    for (const [name, childPath] of Object.entries(component.children)) {
      const child = app.components[childPath];
      if (child === undefined) continue;
      const bound: Record<string, string> = {};
      for (const [variable, binding] of Object.entries(child.environment ?? {})) {
        const value = binding.type === "value" ? binding.value : parent[binding.name];
        if (value !== undefined) bound[variable] = value;
      }
      for (const variable of BUILT_IN_VARIABLES) {
        const value = variables[variable];
        if (value !== undefined) bound[variable] = value;
      }
      const mount = Object.entries(component.httpMounts).find(([, mounted]) => mounted === name)?.[0];
      const site = parent["CONVEX_SITE_URL"];
      if (mount !== undefined && site !== undefined) {
        bound["CONVEX_SITE_URL"] = `${site.replace(/\/$/, "")}${mount.replace(/\/$/, "")}`;
      }
      result[childPath] = bound;
      visit(childPath);
    }
  };
  visit("");
  return result;
}
