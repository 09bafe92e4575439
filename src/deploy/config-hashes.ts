import { loadActiveApp } from "./active-app.ts";
import { modulePrefix } from "./module-path.ts";
import type { DeployPorts } from "./ports.ts";

/** Where `convex.json` does not say otherwise. */
export const DEFAULT_FUNCTIONS = "convex/";

/** Root modules of the active app, from which the client works out what it need not send again. */
export async function configHashes(ports: Pick<DeployPorts, "persistence" | "code">): Promise<object> {
  const { values } = await ports.persistence.loadCatalog();
  const active = await loadActiveApp(values, ports.code);
  const root = active?.app.modules.filter((module) => module.key.startsWith(modulePrefix(""))) ?? [];
  return {
    config: { functions: active?.app.functions ?? DEFAULT_FUNCTIONS },
    moduleHashes: root.map(({ path, hash, environment }) => ({ path, hash, environment })),
    ...(active === null ? {} : { udfServerVersion: active.app.npmVersion }),
    // The client takes a string or nothing, and not null.
    ...(typeof active?.app.nodeVersion === "string" ? { nodeVersion: active.app.nodeVersion } : {}),
  };
}
