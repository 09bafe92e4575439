import { z } from "zod";
import { badRequest } from "../../shared/coded-error.ts";
import type { JsonValue } from "../../shared/json.ts";
import { FunctionError, plainFailure } from "../functions/failure.ts";

/** Name of the catalog value; there is none before the first pause. */
export const DEPLOYMENT_STATE = "deploymentState";

/** Times in milliseconds. Of a deployment that runs again: its last pause, which the cron jobs due in it skip. */
const deploymentState = z.discriminatedUnion("state", [
  z.object({ state: z.literal("running"), pausedFrom: z.number(), pausedTo: z.number() }),
  z.object({ state: z.literal("paused"), pausedFrom: z.number() }),
]);

export type DeploymentState = z.infer<typeof deploymentState>;

type Values = ReadonlyMap<string, JsonValue>;

export function deploymentStateOf(values: Values): DeploymentState | null {
  const stored = values.get(DEPLOYMENT_STATE);
  return stored === undefined ? null : deploymentState.parse(stored);
}

export function isPaused(values: Values): boolean {
  return deploymentStateOf(values)?.state === "paused";
}

/** Whether a time falls into the present or the last pause. */
export function isPausedAt(values: Values, time: number): boolean {
  const state = deploymentStateOf(values);
  if (state === null || time < state.pausedFrom) return false;
  return state.state === "paused" || time < state.pausedTo;
}

export function refuseUploadsWhilePaused(values: Values): void {
  if (isPaused(values)) throw badRequest("BackendIsNotRunning", "Cannot upload files while this deployment is paused.");
}

/** E-C-18. */
export function refuseWhilePaused(values: Values): void {
  if (!isPaused(values)) return;
  throw new FunctionError(
    plainFailure(
      "Cannot run functions while this deployment is paused. Resume the deployment in the dashboard settings to allow functions to run.",
    ),
  );
}
