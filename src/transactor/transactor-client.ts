import type { CatalogCommit, CatalogCommitResult } from "../engine/commit/catalog-changes.ts";
import { committerStalled } from "../engine/commit/errors.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { Committer, FunctionOutcome, MutationCall } from "../protocol/execution.ts";
import type { SystemCall } from "../protocol/system-call.ts";
import type { RunJobAnswer, RunJobRequest } from "../protocol/scheduling.ts";
import type { JsonValue } from "../shared/json.ts";
import { type ExecutionLog, NO_EXECUTION_LOG } from "../protocol/function-log.ts";
import { decodeRpcAnswer } from "../protocol/rpc-error.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { Allocated, AllocateRequest } from "./messages.ts";

/** The RPC surface of `TransactorObject`. */
export interface TransactorStub {
  runMutation(callJson: string): Promise<string>;
  runSystem(callJson: string): Promise<string>;
  runJob(requestJson: string): Promise<string>;
  commitCatalog(requestJson: string): Promise<string>;
  allocate(requestJson: string): Promise<string>;
  latest(): Promise<string>;
}

/** The Transactor as the rest of the backend sees it. */
export class TransactorClient implements Committer {
  readonly #stub: () => TransactorStub;
  readonly #executions: ExecutionLog;

  /** `stub` makes a new one: one that threw is dead. `executions` is told of every run of a mutation. */
  constructor(stub: () => TransactorStub, executions: ExecutionLog = NO_EXECUTION_LOG) {
    this.#stub = stub;
    this.#executions = executions;
  }

  async runMutation(call: MutationCall): Promise<FunctionOutcome> {
    const json = JSON.stringify(call);
    const send = (): Promise<string> => this.#stub().runMutation(json);
    // With ids, sending again can't run it twice.
    const again = (): Promise<string> => this.#stub().runMutation(JSON.stringify(notFresh(call)));
    const answer = call.idempotency === null ? send() : send().catch((error: unknown) => resend(error, again));
    // The shape is the Transactor's own.
    return decodeRpcAnswer(await answer.catch(unreachableObject), (execution) =>
      this.#executions.completed(execution),
    ) as FunctionOutcome;
  }

  async runSystem(call: SystemCall): Promise<JsonValue> {
    const answer = this.#stub().runSystem(JSON.stringify(call));
    return decodeRpcAnswer(await answer.catch(unreachableObject)) as JsonValue;
  }

  async runJob(request: RunJobRequest): Promise<RunJobAnswer> {
    const answer = this.#stub().runJob(JSON.stringify(request));
    return decodeRpcAnswer(await answer.catch(unreachableObject), (execution) =>
      this.#executions.completed(execution),
    ) as RunJobAnswer;
  }

  async commitCatalog(commit: CatalogCommit): Promise<CatalogCommitResult> {
    const answer = this.#stub().commitCatalog(JSON.stringify({ ...commit, v: 1 }));
    return decodeRpcAnswer(await answer.catch(unreachableObject)) as CatalogCommitResult;
  }

  async allocate(request: Omit<AllocateRequest, "v">): Promise<Allocated> {
    const answer = this.#stub().allocate(JSON.stringify({ ...request, v: 1 }));
    return decodeRpcAnswer(await answer.catch(unreachableObject)) as Allocated;
  }

  async latest(): Promise<Timestamp> {
    return decodeRpcAnswer(await this.#stub().latest().catch(unreachableObject)) as Timestamp;
  }
}

/** What was sent once may have been committed: the recorded outcome has to be looked up. */
function notFresh({ idempotency, ...call }: MutationCall): MutationCall {
  if (idempotency === null) return { ...call, idempotency };
  return { ...call, idempotency: { sessionId: idempotency.sessionId, requestId: idempotency.requestId } };
}

/** An overloaded object is not asked again at once (`platform.md` §1.2). */
function resend(error: unknown, send: () => Promise<string>): Promise<string> {
  if (isOverloaded(error)) throw error;
  return send();
}

/** The object could not be reached, or went away while it worked: whether the request took effect is not known. */
function unreachableObject(error: unknown): never {
  if (isOverloaded(error)) throw committerStalled();
  throw new CodedError(
    "Overloaded",
    "TransactorUnavailable",
    "The connection to the database was lost. The request may have taken effect: check before you send it again.",
    { cause: error },
  );
}

function isOverloaded(error: unknown): boolean {
  return typeof error === "object" && error !== null && "overloaded" in error && error.overloaded === true;
}
