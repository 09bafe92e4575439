import { z } from "zod";
import type { FunctionCall, FunctionLogLine, FunctionOutcome } from "../protocol/execution.ts";
import type { SystemCall } from "../protocol/system-call.ts";
import type { RunActionRequest } from "../protocol/scheduling.ts";
import { FINISH_OP } from "../runtime/scheduling/operations.ts";
import { warningLine } from "../runtime/scheduling/run-job.ts";
import type { Clock } from "../shared/clock.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { JsonValue } from "../shared/json.ts";

/** Waits between attempts to record the end of an action. After the last one, the Scheduler takes it for lost. */
const RECORD_WAITS_MS = [0, 100, 500, 2_000, 5_000, 10_000] as const;

interface Ports {
  runAction(call: FunctionCall): Promise<FunctionOutcome>;
  runSystem(call: SystemCall): Promise<JsonValue>;
  /** Lines of the backend's own in the log of the action. */
  log(call: FunctionCall, lines: readonly FunctionLogLine[]): void;
  sleep(ms: number): Promise<void>;
  readonly clock: Clock;
}

const recorded = z.union([z.literal(false), z.object({ warning: z.string().nullable() })]);

/** Runs an action that is marked as started, once, and records how it ended. */
export async function runScheduledAction({ key, call }: RunActionRequest, ports: Ports): Promise<void> {
  const error = await failureOf(call, ports);
  const answer = recorded.parse(await record({ v: 1, op: FINISH_OP, args: { key, error } }, ports));
  if (answer !== false && answer.warning !== null) ports.log(call, [warningLine(answer.warning, ports.clock.now())]);
}

/** Recording twice is recording once. */
async function record(call: SystemCall, ports: Ports): Promise<JsonValue> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ports.runSystem(call);
    } catch (error) {
      const wait = RECORD_WAITS_MS[attempt];
      if (wait === undefined) throw error;
      await ports.sleep(wait);
    }
  }
}

/** `null`: it succeeded. What is refused before it starts (E-C-7) is its failure too: it is never tried again. */
async function failureOf(call: FunctionCall, ports: Ports): Promise<string | null> {
  try {
    const outcome = await ports.runAction(call);
    return outcome.ok ? null : outcome.error.message;
  } catch (error) {
    if (error instanceof CodedError) return error.message;
    // Ours: whoever ran it has logged it whole.
    return "Transient error while executing action: the backend failed while it ran. It is not run again.";
  }
}
