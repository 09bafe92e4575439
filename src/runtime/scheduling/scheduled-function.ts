import { type JsonObject, type JsonValue, isJsonObject } from "../../shared/json.ts";
import type { FunctionPath } from "../../protocol/function-path.ts";
import { canonicalPath } from "../../values/function-path.ts";

/** `pending` → `inProgress` (actions only) → `success`, `failed` or `canceled`. The last three are final. */
export type StateKind = "pending" | "inProgress" | "success" | "failed" | "canceled";

export interface NewJob {
  /** Where it was scheduled, which is where its document is. */
  readonly component: string;
  readonly path: FunctionPath;
  readonly args: JsonObject;
  /** Milliseconds. */
  readonly scheduledTime: number;
}

/** Document of a job in `_scheduled_functions`, as apps read it (`abi.md` §2.3.5), without its system fields. */
export function newJob({ component, path, args, scheduledTime }: NewJob): JsonObject {
  return {
    name: canonicalPath(path),
    args: [args],
    scheduledTime,
    state: { kind: "pending" },
    // Only a function handle leads into another component.
    ...(path.component === component ? {} : { componentPath: path.component }),
  };
}

export function stateKind({ state }: JsonObject): StateKind | null {
  if (state === undefined || !isJsonObject(state)) return null;
  const { kind } = state;
  switch (kind) {
    case "pending":
    case "inProgress":
    case "success":
    case "failed":
    case "canceled":
      return kind;
    default:
      return null;
  }
}

export function isUnfinished(job: JsonObject): boolean {
  const kind = stateKind(job);
  return kind === "pending" || kind === "inProgress";
}

/** A final state never changes. */
export function ended(job: JsonObject, state: JsonObject, now: number): JsonObject {
  return isUnfinished(job) ? { ...job, state, completedTime: now } : job;
}

export function canceled(job: JsonObject, now: number): JsonObject {
  return ended(job, { kind: "canceled" }, now);
}

/** The function to run. `component`: whose table the job is in. */
export function targetOf(job: JsonObject, component: string): { readonly path: FunctionPath; readonly args: string } {
  const { name, args, componentPath } = job;
  if (typeof name !== "string") throw new Error("a scheduled function has a name");
  const colon = name.lastIndexOf(":");
  const path: FunctionPath = {
    component: typeof componentPath === "string" ? componentPath : component,
    module: name.slice(0, colon),
    function: name.slice(colon + 1),
  };
  const list: JsonValue = args ?? [];
  return { path, args: JSON.stringify(list) };
}
