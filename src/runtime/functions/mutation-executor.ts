import type { TransactionEffects } from "../../engine/commit/effects.ts";
import type { TransactionBegin } from "../../engine/commit/mutation-runner.ts";
import { StartTimes } from "../../engine/creation-time.ts";
import { FunctionScope } from "../../engine/function-scope.ts";
import { Transaction } from "../../engine/transaction.ts";
import type { IndexKey } from "../../engine/names.ts";
import type { FunctionOutcome, MutationCall } from "../../protocol/execution.ts";
import type { FunctionCompletion } from "../../protocol/function-log.ts";
import type { SystemCall } from "../../protocol/system-call.ts";
import { toHex } from "../../shared/bytes.ts";
import { badRequest, CodedError } from "../../shared/coded-error.ts";
import type { JsonValue } from "../../shared/json.ts";
import { ownValue } from "../../shared/own-value.ts";
import { refuseWhilePaused } from "../code/deployment-state.ts";
import type { Deployment, DeploymentLoader } from "../code/deployments.ts";
import { NO_SYSTEM_WORK, type SystemWork } from "../scheduling/job-table.ts";
import { lookAtJob, type RunnableView, runAsJob } from "../scheduling/run-job.ts";
import { runDatabaseFunction } from "./run-database-function.ts";
import type { RuntimeEnvironment } from "./environment.ts";
import { Execution, usageOf } from "./execution.ts";
import { failureOf, FunctionError } from "./failure.ts";
import { resolveFunction } from "./resolve.ts";
import { findSystemMutation, runSystemMutation, type SystemMutationFunctions } from "./system-mutation.ts";
import { withWarnings } from "./warnings.ts";

/** Runs a mutation's user code once, inside the transaction that the Transactor began. Commits nothing. */
export class MutationExecutor {
  readonly #runtime: RuntimeEnvironment;
  readonly #deployments: DeploymentLoader;
  readonly #work: SystemWork;
  readonly #systemFunctions: SystemMutationFunctions;
  readonly #startTimes = new StartTimes();

  constructor(
    runtime: RuntimeEnvironment,
    deployments: DeploymentLoader,
    work: SystemWork = NO_SYSTEM_WORK,
    systemFunctions: SystemMutationFunctions = new Map(),
  ) {
    this.#runtime = runtime;
    this.#deployments = deployments;
    this.#work = work;
    this.#systemFunctions = systemFunctions;
  }

  async execute(
    call: MutationCall,
    begin: TransactionBegin,
  ): Promise<{
    readonly outcome: FunctionOutcome;
    readonly effects: TransactionEffects;
    readonly completion?: FunctionCompletion;
    readonly commitsFailure?: boolean;
  }> {
    const runtime = this.#runtime;
    const execution = new Execution(runtime, call, "Mutation");
    const deployment = await this.#deployments.of(begin.catalog);
    const { app } = deployment;
    const now = runtime.clock.now();
    const transaction = this.#begin(begin, deployment, now);
    const effects = (): TransactionEffects => ({ readSet: transaction.readSet(), writeSet: transaction.writeSet() });
    const ofSystem = findSystemMutation(this.#systemFunctions, call);
    if (ofSystem !== null) {
      const { component } = call.path;
      const database = new FunctionScope(transaction, component);
      const files = runtime.files.addresses;
      const context = { identity: call.identity, transaction, database, deployment, component, files, now };
      const outcome = await this.#outcome(() => runSystemMutation(ofSystem, call, context, runtime.limits));
      // Like the queries of the system, it does not appear in the function log.
      return { outcome, effects: effects() };
    }
    const run = (): Promise<FunctionOutcome> =>
      this.#outcome(async () => {
        refuseWhilePaused(deployment.catalog.values);
        const found = resolveFunction(app, call.path, "Mutation", call.visibility);
        if (app === null) throw new Error("a function was found without an app");
        const { identity, context, job } = call;
        const own =
          job === undefined || context.scheduledFunctionId === null ? {} : { ownJob: context.scheduledFunctionId };
        return runDatabaseFunction(
          {
            runtime,
            deployment: { ...deployment, app },
            transaction,
            identity,
            context,
            now,
            depth: 0,
            journal: null,
            ...own,
          },
          found,
          call.args,
        );
      });
    const { job } = call;
    const context = { runtime, deployment, transaction, now };
    const result = job === undefined ? await run() : await runAsJob(this.#work.jobs, context, job as IndexKey, run);
    if (result === null) return { outcome: { ok: true, value: "null", logLines: [] }, effects: effects() };
    const outcome = withWarnings(result, { call, transaction, limits: runtime.limits, now: runtime.clock.now() });
    return {
      outcome,
      effects: effects(),
      completion: execution.completion(outcome, { usage: usageOf(transaction) }),
      ...(job === undefined ? {} : { commitsFailure: true }),
    };
  }

  /** What the backend itself does in a transaction. */
  async executeSystem(
    { op, args }: SystemCall,
    begin: TransactionBegin,
  ): Promise<{ readonly answer: JsonValue; readonly effects: TransactionEffects }> {
    const mutation = ownValue(this.#work.mutations, op);
    if (mutation === undefined) throw badRequest("UnknownOperation", `The Transactor knows no operation ${op}.`);
    const deployment = await this.#deployments.of(begin.catalog);
    const now = this.#runtime.clock.now();
    const transaction = this.#begin(begin, deployment, now);
    const answer = await mutation({ runtime: this.#runtime, deployment, transaction, now }, args);
    return { answer, effects: { readSet: transaction.readSet(), writeSet: transaction.writeSet() } };
  }

  /** What is to be done about a job, as of a moment that may be over when it is done. */
  async lookAtJob(key: IndexKey, begin: Pick<TransactionBegin, "reader" | "catalog">): Promise<RunnableView> {
    const deployment = await this.#deployments.of(begin.catalog);
    const view = await lookAtJob(this.#work.jobs, deployment, begin.reader, key, this.#runtime.clock.now());
    if (view.kind !== "run" && view.kind !== "started") return view;
    const requestId = toHex(this.#runtime.random.bytes(8)).toLowerCase();
    const { path, args, context } = view.run;
    return {
      ...view,
      call: { path, args, identity: { kind: "system" }, context: { ...context, requestId }, visibility: "internal" },
    };
  }

  #begin(begin: TransactionBegin, deployment: Deployment, now: number): Transaction {
    const runtime = this.#runtime;
    const { app, catalog } = deployment;
    return new Transaction({
      kind: "mutation",
      reader: begin.reader,
      catalog,
      schemas: (component) => app?.schema(component) ?? null,
      now: this.#startTimes.next(now),
      random: runtime.random,
      limits: runtime.limits.transaction,
      limitNotes: runtime.limits.transactionNotes,
      maxTables: runtime.limits.tables,
      maxTablesNote: runtime.limits.notes.tables ?? "",
      cursors: runtime.cursors,
      allocateTable: (component, name) => begin.allocateTable(component, name),
    });
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
