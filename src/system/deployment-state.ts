import { DEPLOYMENT_STATE, isPaused } from "../runtime/code/deployment-state.ts";
import { dependOnValue } from "./dependencies.ts";
import { adminQuery } from "./system-query.ts";

/** Whether functions may be called. */
export const deploymentState = adminQuery({}, (context) => {
  dependOnValue(context, DEPLOYMENT_STATE);
  return JSON.stringify({ state: isPaused(context.deployment.catalog.values) ? "paused" : "running" });
});
