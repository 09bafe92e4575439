import type { TransactionEffects } from "../engine/commit/effects.ts";
import type { TransactionBegin } from "../engine/commit/mutation-runner.ts";
import type { IndexKey } from "../engine/names.ts";
import type { RunnableView } from "../runtime/scheduling/run-job.ts";
import type { SystemCall } from "../protocol/system-call.ts";
import type { JsonValue } from "../shared/json.ts";
import type { FunctionOutcome, MutationCall } from "../protocol/execution.ts";
import type { FunctionCompletion } from "../protocol/function-log.ts";

export interface ExecutedMutation {
  readonly outcome: FunctionOutcome;
  /** Of a failed function too: its error counts only while its reads are valid. */
  readonly effects: TransactionEffects;
  /** For the function log, as if this run were the last. Absent: the run is not logged. */
  readonly completion?: FunctionCompletion;
  /** True: what was written is committed although the function failed. */
  readonly commitsFailure?: boolean;
}

/**
 * Runs a mutation's user code once, in its isolate, inside the transaction `begin`. Must settle within the time
 * limits of functions. A rejection of `begin.reader` ends the run: reject with it, never show it to user code.
 * Rejects with `CodedError` for what is not the function's own failure.
 */
export interface MutationExecutor {
  execute(call: MutationCall, begin: TransactionBegin): Promise<ExecutedMutation>;
}

/** Work of the backend itself: system calls, and jobs that are due. */
export interface SystemExecutor {
  /** The backend's own changes: no user code runs. */
  executeSystem(
    call: SystemCall,
    begin: TransactionBegin,
  ): Promise<{ readonly answer: JsonValue; readonly effects: TransactionEffects }>;
  /** Reads only. What it finds may have changed when it is acted upon. */
  lookAtJob(key: IndexKey, begin: Pick<TransactionBegin, "reader" | "catalog">): Promise<RunnableView>;
}
