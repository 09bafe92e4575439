import type { LostPhase } from "../protocol/scheduling.ts";

const PHASES: Readonly<Record<LostPhase, string>> = {
  unknown:
    "the backend stopped after the action was marked as started and before its end was recorded. " +
    "It may have run in part or in whole",
  starting: "it was lost between being marked as started and being started. It did not run",
  running: "the connection to it was lost while it ran. It may have run in part or in whole",
};

/** E-C-14: in which phase an action was lost. */
export function lostReason(phase: LostPhase): string {
  return `Transient error while executing action: ${PHASES[phase]}, and is not run again.`;
}
