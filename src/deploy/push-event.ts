import { z } from "zod";
import type { DeploymentEvent } from "./history.ts";

const pushDiff = z.object({
  authDiff: z.record(z.string(), z.json()),
  componentDiffs: z.record(z.string(), z.record(z.string(), z.json())),
});

/** What the history tells of a push: `diff` is the answer of `finish_push`. */
export function pushEvent(diff: object): DeploymentEvent {
  // Through JSON: what is undefined is left out.
  const { authDiff, componentDiffs } = pushDiff.parse(JSON.parse(JSON.stringify(diff)));
  return {
    action: "push_config_with_components",
    metadata: {
      auth_diff: authDiff,
      component_diffs: Object.entries(componentDiffs).map(([path, component_diff]) => ({
        component_path: path === "" ? null : path,
        component_diff,
      })),
    },
  };
}
