import { CodedError } from "../../shared/coded-error.ts";
import type { Catalog } from "../../engine/catalog.ts";
import type { Committer, FunctionCall, FunctionLogLine, FunctionOutcome } from "../../protocol/execution.ts";
import type { InvocationResult, LogLine } from "../../protocol/invocation.ts";
import { sourceMapsOf } from "../code/app-source-maps.ts";
import { isPaused, refuseWhilePaused } from "../code/deployment-state.ts";
import type { Deployments } from "../code/deployments.ts";
import type { ActionExecution } from "./action-execution.ts";
import { ActionCapability } from "./action-capability.ts";
import type { FileUploads } from "../files/runtime-files.ts";
import { checkArguments, checkReturnValue } from "./arguments.ts";
import type { RuntimeEnvironment } from "./environment.ts";
import { Execution } from "./execution.ts";
import { tableNames } from "./table-names.ts";
import { describeThrown, failureOf, FunctionError } from "./failure.ts";
import { withStacks } from "./log-lines.ts";
import type { NodeActions } from "../node/node-actions.ts";
import { newInvocation } from "./new-invocation.ts";
import type { QueryRunner } from "./query-runner.ts";
import { resolveFunction } from "./resolve.ts";
import { withinRpcSize } from "./rpc-size.ts";
import { timeLimit } from "./time-limit.ts";
import { sizeWarnings } from "./warnings.ts";

/**
 * The one entry point of every action, whoever calls it. At most once: nothing here or above starts a second run,
 * and an action that has begun stays on the code it began with.
 */
export class ActionRunner {
  readonly #runtime: RuntimeEnvironment;
  readonly #nodeActions: NodeActions;
  readonly #deployments: Deployments;
  readonly #queries: QueryRunner;
  readonly #committer: Committer;
  readonly #uploads: FileUploads;

  constructor(
    runtime: RuntimeEnvironment,
    nodeActions: NodeActions,
    deployments: Deployments,
    queries: QueryRunner,
    committer: Committer,
    uploads: FileUploads,
  ) {
    this.#runtime = runtime;
    this.#nodeActions = nodeActions;
    this.#deployments = deployments;
    this.#queries = queries;
    this.#committer = committer;
    this.#uploads = uploads;
  }

  async run(call: FunctionCall, depth = 0): Promise<FunctionOutcome> {
    const execution = new Execution(this.#runtime, call, "Action");
    try {
      const outcome = await this.#run(call, depth, execution);
      execution.completed(outcome);
      return outcome;
    } catch (error) {
      execution.failed(error);
      throw error;
    }
  }

  async #run(call: FunctionCall, depth: number, execution: Execution): Promise<FunctionOutcome> {
    const logLines: FunctionLogLine[] = [];
    try {
      const deployment = await this.#deployments.current();
      if (isPaused(deployment.catalog.values) && !isScheduled(call)) await this.#refuseWhilePaused();
      const found = resolveFunction(deployment.app, call.path, "Action", call.visibility);
      const { app } = deployment;
      if (app === null) throw new Error("a function was found without an app");
      execution.environment = found.environment;
      const prepared: ActionExecution = {
        runtime: this.#runtime,
        deployment: { ...deployment, app },
        found,
        call,
        identityError: null,
        depth,
        queries: this.#queries,
        committer: this.#committer,
        uploads: this.#uploads,
        actions: this,
        executionId: execution.id,
        onLog: (lines) => {
          logLines.push(...lines);
          execution.progress(lines);
        },
      };
      const { admission } = this.#runtime;
      return found.environment === "node"
        ? await admission.nodeActions.admit(() => this.#executeInNode(prepared, logLines))
        : await admission.actions.admit(() => this.#execute(prepared, logLines));
    } catch (error) {
      if (error instanceof FunctionError) return { ok: false, error: error.failure, logLines };
      if (error instanceof CodedError && error.catchable) return { ok: false, error: failureOf(error), logLines };
      throw error;
    }
  }

  /** Unless the pause has ended since the deployment was read. */
  async #refuseWhilePaused(): Promise<void> {
    this.#deployments.expire();
    refuseWhilePaused((await this.#deployments.current()).catalog.values);
  }

  async #executeInNode(execution: ActionExecution, logLines: FunctionLogLine[]): Promise<FunctionOutcome> {
    const nodeActions = this.#nodeActions;
    const { limits } = this.#runtime;
    const { found, call, deployment } = execution;
    nodeActions.checkArgumentSize(call.args);
    const args = await this.#withTables(deployment.catalog, (catalog) =>
      checkArguments(found, call.args, tableNames(catalog, found.path.component), limits, "refused"),
    );
    const result = await nodeActions.run(execution, args);
    if (!result.ok) return { ok: false, error: result.error, logLines };
    return this.#checked(execution, result.value, nodeActions.limits, logLines);
  }

  async #execute(execution: ActionExecution, logLines: FunctionLogLine[]): Promise<FunctionOutcome> {
    const runtime = this.#runtime;
    const { limits } = runtime;
    const { deployment, found, call } = execution;
    const args = await this.#withTables(deployment.catalog, (catalog) =>
      checkArguments(found, call.args, tableNames(catalog, found.path.component), limits, "refused"),
    );
    const invoked = { ...execution, requestId: call.context.requestId, now: runtime.clock.now() };
    const invocation = JSON.stringify(newInvocation("action", invoked, args));
    const harness = await runtime.isolates.harness(deployment.app, deployment.variables, "action");
    const capability = new ActionCapability(execution);
    const deadline = timeLimit(limits.actionTimeoutMs, limits.notes.actionTimeoutMs ?? "");
    try {
      const text = await Promise.race([
        withinRpcSize(harness.run(invocation, capability), found, limits),
        deadline.expired,
      ]);
      const result: InvocationResult = JSON.parse(text);
      return await this.#finish(execution, result, logLines);
    } finally {
      deadline.cancel();
      capability.end();
    }
  }

  async #finish(
    execution: ActionExecution,
    result: InvocationResult,
    logLines: FunctionLogLine[],
  ): Promise<FunctionOutcome> {
    if (result.ok === "needsSnapshot") throw new Error("an action asked for a snapshot");
    const maps = sourceMapsOf(this.#runtime.code, execution.deployment.app.version);
    logLines.push(...(await withStacks(result.logs, maps)));
    if (!result.ok) return { ok: false, error: await describeThrown(result.error, maps), logLines };
    if (result.unawaited !== undefined && result.unawaited.length > 0) {
      logLines.push(unawaitedWarning(result.unawaited, this.#runtime.clock.now()));
    }
    return this.#checked(execution, result.value, this.#runtime.limits, logLines);
  }

  /** `argumentBytes` is where the runtime's arguments end: large ones are warned of. */
  async #checked(
    { found, call, deployment }: ActionExecution,
    value: string,
    { argumentBytes }: { readonly argumentBytes: number },
    logLines: FunctionLogLine[],
  ): Promise<FunctionOutcome> {
    const { clock, limits } = this.#runtime;
    const bounds = { ...limits, argumentBytes };
    logLines.push(...sizeWarnings("action", call.args.length, value.length, bounds, clock.now()));
    await this.#withTables(deployment.catalog, (catalog) =>
      checkReturnValue(found, value, tableNames(catalog, found.path.component), limits),
    );
    return { ok: true, value, logLines };
  }

  /**
   * A check of a value, which fails when it has an id of a table that `catalog` doesn't know. The first document of a
   * table makes the table: what is refused is checked once more against the tables of now.
   */
  async #withTables<T>(catalog: Catalog, check: (catalog: Catalog) => T): Promise<T> {
    try {
      return check(catalog);
    } catch (error) {
      if (!(error instanceof FunctionError)) throw error;
      this.#deployments.expire();
      const { catalog: newest } = await this.#deployments.current();
      if (newest.ts === catalog.ts) throw error;
      return check(newest);
    }
  }
}

/** The Scheduler marks an action as started before it hands it out, and never while the deployment is paused. */
function isScheduled({ context: { caller } }: FunctionCall): boolean {
  return caller === "Scheduler" || caller === "Cron";
}

/** E-C-8. */
function unawaitedWarning(names: readonly string[], now: number): LogLine {
  const plural = names.length === 1 ? "operation" : "operations";
  return {
    level: "WARN",
    messages: [
      `${names.length} unawaited ${plural}: [${names.join(", ")}]. Async operations should be awaited or they might not run. ` +
        "See https://docs.convex.dev/functions/actions#dangling-promises for more information.",
    ],
    isTruncated: false,
    timestamp: now,
    code: "UnawaitedOperations",
  };
}
