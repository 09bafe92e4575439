import type { Credentials } from "../auth/authorization.ts";
import type { Committer, FunctionCall, FunctionOutcome, MutationCall } from "../protocol/execution.ts";
import type { Identity } from "../protocol/identity.ts";
import { decodeRpcAnswer } from "../protocol/rpc-error.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { ActionRequest, AuthenticateRequest, QueryRequest, SyncWorkStub } from "./function-messages.ts";
import type { ExecutedQuery, SyncFunctions } from "./ports.ts";

/**
 * Functions of a Sync object, run elsewhere: mutations by the Transactor, everything else by the Worker, through an
 * entrypoint of its own. So user code and its isolates take neither the thread nor the memory of the object, which
 * may have but ten loaded isolates in flight, and each call has the limits of one Worker request.
 */
export class RemoteFunctions implements SyncFunctions {
  readonly #worker: () => SyncWorkStub;
  readonly #committer: Committer;

  /** `worker` makes a new stub: one that threw is dead. */
  constructor(worker: () => SyncWorkStub, committer: Committer) {
    this.#worker = worker;
    this.#committer = committer;
  }

  async runQuery(call: FunctionCall, at: number, journal: string | null): Promise<ExecutedQuery> {
    const request: QueryRequest = { v: 1, call, at, journal };
    const answer = this.#worker().runQuery(JSON.stringify(request));
    // The shape is the entrypoint's own, here and below.
    return decodeRpcAnswer(await answer.catch(unreachable)) as ExecutedQuery;
  }

  runMutation(call: MutationCall): Promise<FunctionOutcome> {
    return this.#committer.runMutation(call);
  }

  async runAction(call: FunctionCall): Promise<FunctionOutcome> {
    const request: ActionRequest = { v: 1, call };
    return decodeRpcAnswer(await this.#worker().runAction(JSON.stringify(request))) as FunctionOutcome;
  }

  async authenticate(credentials: Credentials): Promise<Identity> {
    const request: AuthenticateRequest = { v: 1, credentials };
    const answer = this.#worker().authenticate(JSON.stringify(request));
    return decodeRpcAnswer(await answer.catch(unreachable)) as Identity;
  }
}

/** Nothing was changed by it, so it may be asked again. */
function unreachable(cause: unknown): never {
  throw new CodedError("Overloaded", "WorkerOverloaded", "The Worker that runs functions could not be reached.", {
    cause,
  });
}
