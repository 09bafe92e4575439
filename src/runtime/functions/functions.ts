import type { Committer, FunctionCall, FunctionOutcome, MutationCall, UdfType } from "../../protocol/execution.ts";
import { requireWriteAccess } from "../../auth/authorization.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import type { Deployments } from "../code/deployments.ts";
import type { ActionRunner } from "./action-runner.ts";
import { FunctionError } from "./failure.ts";
import type { QueryRunner } from "./query-runner.ts";
import { resolveFunction } from "./resolve.ts";

/**
 * Runs functions of any kind for whoever received the call: queries and actions here, mutations through the
 * committer. The developer's failures are outcomes; a `CodedError` is thrown for what is not about the function.
 */
export class Functions {
  readonly #deployments: Deployments;
  readonly #queries: QueryRunner;
  readonly #actions: ActionRunner;
  readonly #committer: Committer;

  constructor(deployments: Deployments, queries: QueryRunner, actions: ActionRunner, committer: Committer) {
    this.#deployments = deployments;
    this.#queries = queries;
    this.#actions = actions;
    this.#committer = committer;
  }

  /** At `at`, which a caller chose, or at a snapshot not older than any acknowledged commit. */
  async runQuery(call: FunctionCall, at?: Timestamp): Promise<FunctionOutcome> {
    if (at !== undefined) await this.#queries.checkSnapshot(at);
    return this.#runQueryAt(call, at ?? null);
  }

  runMutation(call: MutationCall): Promise<FunctionOutcome> {
    return this.#committer.runMutation(call);
  }

  runAction(call: FunctionCall): Promise<FunctionOutcome> {
    return this.#actions.run(call);
  }

  /** By the function's own kind, if the caller may run that. `udfType` is null when there is no such function. */
  async runAny(call: FunctionCall): Promise<{ readonly udfType: UdfType | null; readonly outcome: FunctionOutcome }> {
    const { app } = await this.#deployments.current();
    try {
      const { udfType } = resolveFunction(app, call.path, null, call.visibility);
      return { udfType, outcome: await this.#runAs(udfType, call) };
    } catch (error) {
      if (error instanceof FunctionError) {
        return { udfType: null, outcome: { ok: false, error: error.failure, logLines: [] } };
      }
      throw error;
    }
  }

  #runAs(udfType: UdfType, call: FunctionCall): Promise<FunctionOutcome> {
    switch (udfType) {
      case "Query":
        return this.runQuery(call);
      case "Mutation":
        requireWriteAccess(call.identity);
        return this.runMutation({ ...call, v: 1, idempotency: null });
      case "Action":
      case "HttpAction":
        requireWriteAccess(call.identity);
        return this.runAction(call);
    }
  }

  /** All at one snapshot, outcomes in order. */
  async queryBatch(calls: readonly FunctionCall[]): Promise<readonly FunctionOutcome[]> {
    const ts = await this.latestTs();
    return Promise.all(calls.map((call) => this.#runQueryAt(call, ts)));
  }

  async #runQueryAt(call: FunctionCall, at: Timestamp | null): Promise<FunctionOutcome> {
    return (await this.#queries.run(call, at, null)).outcome;
  }

  latestTs(): Promise<Timestamp> {
    return this.#queries.latest();
  }
}
