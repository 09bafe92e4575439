import type { JsonObject } from "../shared/json.ts";

/** A change that the backend itself makes, in a transaction of its own in the Transactor. Answered with JSON. */
export interface SystemCall {
  readonly v: 1;
  readonly op: string;
  readonly args: JsonObject;
  /** See `MutationJob.request`. */
  readonly request?: string;
}
