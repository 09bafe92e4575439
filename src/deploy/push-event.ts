import { z } from "zod";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import { type DeploymentEvent, MAX_EVENT } from "./history.ts";

const pushDiff = z.object({
  authDiff: z.record(z.string(), z.json()),
  componentDiffs: z.record(z.string(), z.record(z.string(), z.json())),
});

/** What the history tells of a push: `diff` is the answer of `finish_push`, of which a long one is told in part. */
export function pushEvent(diff: object): DeploymentEvent {
  // Through JSON: what is undefined is left out.
  const { authDiff, componentDiffs } = pushDiff.parse(JSON.parse(JSON.stringify(diff)));
  const event = (shown: (component: JsonObject) => JsonObject | null): DeploymentEvent => ({
    action: "push_config_with_components",
    metadata: {
      auth_diff: authDiff,
      component_diffs: Object.entries(componentDiffs).flatMap(([path, component]): JsonValue[] => {
        const component_diff = shown(component);
        return component_diff === null ? [] : [{ component_path: path === "" ? null : path, component_diff }];
      }),
    },
  });
  const whole = event((component) => component);
  if (fits(whole)) return whole;
  const withoutSchemas = event((component) => ({ ...component, schemaDiff: null }));
  return fits(withoutSchemas) ? withoutSchemas : event(() => null);
}

function fits({ metadata }: DeploymentEvent): boolean {
  return JSON.stringify(metadata).length <= MAX_EVENT;
}
