import type { FunctionCall } from "./execution.ts";

/**
 * How much is known of a job whose marker says that it was started although nobody runs it:
 * `unknown` (the backend stopped), `starting` (the order to start never arrived), `running` (the run broke off).
 */
export type LostPhase = "unknown" | "starting" | "running";

/** Runs the job of this key of the queue if it is still to be run. */
export interface RunJobRequest {
  readonly v: 1;
  readonly key: string;
  readonly phase: LostPhase;
}

export type RunJobAnswer =
  /** Nothing is left to do for this key: it ran, it is over, or it is not what is due any more. */
  | { readonly kind: "done" }
  /** An action that is marked as started: whoever gets this runs it, and nobody else ever will. */
  | { readonly kind: "action"; readonly call: FunctionCall }
  /** The deployment is paused: the job stays in the queue. */
  | { readonly kind: "held" };

/** An action on its way to a Worker, which records how it ended. */
export interface RunActionRequest {
  readonly v: 1;
  readonly key: string;
  readonly call: FunctionCall;
}

/** Jobs that a commit added to the queue. None: look what is due. */
export interface DueNotice {
  readonly v: 1;
  readonly keys: readonly string[];
}
