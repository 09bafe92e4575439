import type { FunctionOutcome } from "../protocol/execution.ts";
import type { RunActionRequest, SystemCall } from "../protocol/scheduling.ts";
import { FINISH_OP } from "../runtime/scheduling/operations.ts";
import type { FunctionCall } from "../protocol/execution.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { JsonValue } from "../shared/json.ts";

/** Waits between attempts to record the end of an action. After the last one, the Scheduler takes it for lost. */
const RECORD_WAITS_MS = [0, 100, 500, 2_000, 5_000, 10_000] as const;

interface Ports {
  runAction(call: FunctionCall): Promise<FunctionOutcome>;
  runSystem(call: SystemCall): Promise<JsonValue>;
  sleep(ms: number): Promise<void>;
}

/** Runs an action that is marked as started, once, and records how it ended. */
export async function runScheduledAction({ key, call }: RunActionRequest, ports: Ports): Promise<void> {
  const error = await failureOf(call, ports);
  for (const [attempt, wait] of RECORD_WAITS_MS.entries()) {
    await ports.sleep(wait);
    try {
      await ports.runSystem({ v: 1, op: FINISH_OP, args: { key, error } });
      return;
    } catch (cause) {
      if (attempt === RECORD_WAITS_MS.length - 1) throw cause;
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
    // Ours: logged whole by whoever ran it.
    return "Transient error while executing action: the backend failed while it ran. It is not run again.";
  }
}
