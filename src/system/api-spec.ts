import type { ExportedFunction } from "../values/exported-functions.ts";
import type { JsonValue } from "../shared/json.ts";
import { dependOnApp } from "./dependencies.ts";
import { adminQuery } from "./system-query.ts";

/** Every function of the component with its validators, and every HTTP route: `npx convex function-spec`. */
export const apiSpec = adminQuery({}, (context) => {
  dependOnApp(context);
  const modules = context.deployment.app?.component(context.component)?.modules ?? {};
  const paths = Object.keys(modules).toSorted();
  const functions = paths.flatMap((path) => (modules[path]?.functions ?? []).map((found) => describe(path, found)));
  const routes = paths.flatMap((path) =>
    (modules[path]?.httpRoutes ?? []).map(([route, method]) => ({ functionType: "HttpAction", method, path: route })),
  );
  return JSON.stringify([...functions, ...routes]);
});

function describe(module: string, { name, kind, visibility, args, returns }: ExportedFunction): JsonValue {
  return {
    identifier: `${module}:${name}`,
    functionType: kind,
    // Nobody but server-side callers reaches a function that does not say what it is.
    visibility: { kind: visibility ?? "internal" },
    args: validator(args),
    returns: validator(returns),
  };
}

function validator(json: string | null): JsonValue {
  const parsed: JsonValue = json === null ? null : JSON.parse(json);
  return parsed ?? { type: "any" };
}
