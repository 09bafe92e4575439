import type { Conflict } from "../engine/commit/conflict.ts";
import type { TransactionBegin } from "../engine/commit/mutation-runner.ts";
import type { MutationCall } from "../protocol/execution.ts";
import type { ExecutionLog, FunctionCompletion, OccInfo } from "../protocol/function-log.ts";
import { Execution } from "../runtime/functions/execution.ts";
import type { Clock } from "../shared/clock.ts";
import type { Random } from "../shared/random.ts";
import { encodeDocumentId } from "../values/document-id.ts";

interface Parts {
  readonly executions: ExecutionLog;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * One call's runs on their way into the function log: a run that lost a conflict when the next begins, the last one
 * when its commit is durable. An answer from the record, for which nothing ran, leaves no trace.
 */
export class LoggedMutation {
  readonly #call: MutationCall;
  readonly #parts: Parts;
  /** The run that began last. */
  #run: { readonly execution: Execution; readonly attempt: number; completion: FunctionCompletion | null } | null =
    null;

  constructor(call: MutationCall, parts: Parts) {
    this.#call = call;
    this.#parts = parts;
  }

  begin({ attempt, lostTo }: TransactionBegin): void {
    if (lostTo !== null && lostTo.kind !== "restart") this.#lost(lostTo, attempt - 1);
    this.#run = { execution: this.#newExecution(), attempt, completion: null };
  }

  /** The run ended and may still be lost. */
  ran(completion: FunctionCompletion | undefined): void {
    if (this.#run === null || completion === undefined) return;
    const { attempt } = this.#run;
    this.#run.completion = attempt === 0 ? completion : { ...completion, retries: attempt };
  }

  completed(): void {
    const completion = this.#run?.completion ?? null;
    if (completion === null) return;
    // Until the commit was durable: that is what the caller waited for.
    const duration = this.#parts.clock.now() - completion.startedAt;
    this.#parts.executions.completed({ ...completion, duration });
  }

  /** Refused, lost for the last time, or failed by the backend. */
  failed(error: unknown): void {
    const failure = (this.#run?.execution ?? this.#newExecution()).failure(error);
    const completion = this.#run?.completion ?? failure;
    this.#parts.executions.completed({
      ...completion,
      error: failure.error,
      duration: failure.duration,
      refused: true,
    });
  }

  /** A run that was cut short as soon as the conflict showed has no completion of its own. */
  #lost(conflict: Conflict, retryCount: number): void {
    if (this.#run === null) return;
    const error = "Documents that this mutation read changed while it was being run. It is run again.";
    const completion =
      this.#run.completion ?? this.#run.execution.completion({ ok: false, error: { message: error }, logLines: [] });
    this.#parts.executions.completed({
      ...completion,
      error,
      occInfo: occInfo(conflict, retryCount),
      willRetry: true,
    });
  }

  #newExecution(): Execution {
    return new Execution(this.#parts, this.#call, "Mutation");
  }
}

function occInfo({ document, table, writer }: Conflict, retryCount: number): OccInfo {
  return {
    tableName: table,
    documentId: document === null ? null : encodeDocumentId(document.table.number, document.id),
    writeSource: writer,
    componentPath: document === null || document.table.component === "" ? null : document.table.component,
    retryCount,
  };
}
