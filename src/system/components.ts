import { dependOnApp } from "./dependencies.ts";
import { adminQuery } from "./system-query.ts";

/**
 * Mounted components, parents before children, the app itself left out. A component's id is its path, which is what
 * `run_test_function` takes.
 */
export const listComponents = adminQuery({}, (context) => {
  dependOnApp(context);
  const components = context.deployment.app?.version.components ?? {};
  const paths = Object.keys(components)
    .filter((path) => path !== "")
    .toSorted();
  return JSON.stringify(
    paths.map((path) => ({
      id: path,
      name: path.slice(path.lastIndexOf("/") + 1),
      path,
      args: {},
      state: "active",
      httpPrefix: components[path]?.httpPrefix ?? null,
    })),
  );
});
