import type { TransactionEffects } from "../../engine/commit/effects.ts";
import type { TransactionBegin } from "../../engine/commit/mutation-runner.ts";
import { StartTimes } from "../../engine/creation-time.ts";
import { Transaction } from "../../engine/transaction.ts";
import type { FunctionOutcome, MutationCall } from "../../protocol/execution.ts";
import type { FunctionCompletion } from "../../protocol/function-log.ts";
import { CodedError } from "../../shared/coded-error.ts";
import type { DeploymentLoader } from "../code/deployments.ts";
import { runDatabaseFunction } from "./database-execution.ts";
import type { RuntimeEnvironment } from "./environment.ts";
import { Execution, usageOf } from "./execution.ts";
import { failureOf, FunctionError } from "./failure.ts";
import { resolveFunction } from "./resolve.ts";
import { withWarnings } from "./warnings.ts";

/** Runs a mutation's user code once, inside the transaction that the Transactor began. Commits nothing. */
export class MutationExecutor {
  readonly #runtime: RuntimeEnvironment;
  readonly #deployments: DeploymentLoader;
  readonly #startTimes = new StartTimes();

  constructor(runtime: RuntimeEnvironment, deployments: DeploymentLoader) {
    this.#runtime = runtime;
    this.#deployments = deployments;
  }

  async execute(
    call: MutationCall,
    begin: TransactionBegin,
  ): Promise<{
    readonly outcome: FunctionOutcome;
    readonly effects: TransactionEffects;
    readonly completion: FunctionCompletion;
  }> {
    const runtime = this.#runtime;
    const execution = new Execution(runtime, call, "Mutation");
    const deployment = await this.#deployments.of(begin.catalog);
    const { app, catalog } = deployment;
    const now = runtime.clock.now();
    const transaction = new Transaction({
      kind: "mutation",
      reader: begin.reader,
      catalog,
      schemas: (component) => app?.schema(component) ?? null,
      now: this.#startTimes.next(now),
      random: runtime.random,
      limits: runtime.limits.transaction,
      limitNotes: runtime.limits.transactionNotes,
      maxTables: runtime.limits.tables,
      cursors: runtime.cursors,
      allocateTable: (component, name) => begin.allocateTable(component, name),
    });
    const result = await this.#outcome(async () => {
      const found = resolveFunction(app, call.path, "Mutation", call.visibility);
      if (app === null) throw new Error("a function was found without an app");
      const { identity, context } = call;
      return runDatabaseFunction(
        { runtime, deployment: { ...deployment, app }, transaction, identity, context, now, depth: 0, journal: null },
        found,
        call.args,
      );
    });
    const outcome = withWarnings(result, { call, transaction, limits: runtime.limits, now: runtime.clock.now() });
    return {
      outcome,
      effects: { readSet: transaction.readSet(), writeSet: transaction.writeSet() },
      completion: execution.completion(outcome, { usage: usageOf(transaction) }),
    };
  }

  async #outcome(run: () => Promise<FunctionOutcome>): Promise<FunctionOutcome> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof FunctionError) return { ok: false, error: error.failure, logLines: [] };
      if (error instanceof CodedError && error.catchable) return { ok: false, error: failureOf(error), logLines: [] };
      throw error;
    }
  }
}
