import { RpcTarget } from "cloudflare:workers";
import type { FunctionLogLine, FunctionOutcome } from "../../protocol/execution.ts";
import type {
  HostCapability,
  Invocation,
  InvocationResult,
  SyscallRequest,
  SyscallResponse,
} from "../../protocol/invocation.ts";
import { FunctionScope } from "../../engine/function-scope.ts";
import type { Transaction } from "../../engine/transaction.ts";
import { CodedError } from "../../shared/coded-error.ts";
import { ownValue } from "../../shared/own-value.ts";
import type { ResolvedFunction } from "../code/app.ts";
import { tableMap } from "../code/deployments.ts";
import { sourceMapsOf } from "../code/app-source-maps.ts";
import type { TableNames } from "../../values/check-validator.ts";
import { parseSyscallArguments } from "../syscalls/arguments.ts";
import { databaseSyscalls } from "../syscalls/database-table.ts";
import { checkArguments, checkReturnValue, refuseCommitTs } from "./arguments.ts";
import type { DatabaseExecution } from "./database-execution.ts";
import type { DatabaseScope } from "./environment.ts";
import { describeThrown, failureOf, FunctionError, plainFailure } from "./failure.ts";
import { mergeLines, withStacks } from "./log-lines.ts";
import { newInvocation } from "./new-invocation.ts";
import { withinRpcSize } from "./rpc-size.ts";
import { durationWarning } from "./warnings.ts";

const NESTED_CALL = "1.0/runUdf";

const NO_BLOBS = "Queries and mutations store and read files by syscalls.";

/** The isolate asked for a snapshot timestamp before anything was read: pin one and run again. */
export class NeedsSnapshotError extends Error {
  override readonly name = "NeedsSnapshotError";
}

/**
 * Runs one query or mutation, nested or not, in the scope's transaction. The developer's failures are outcomes;
 * control-flow signals (conflict, changed catalog, needed snapshot) and failures of the backend are thrown.
 * Does not commit: whoever owns the transaction does.
 */
export async function runDatabaseFunction(
  scope: DatabaseScope,
  found: ResolvedFunction,
  args: string,
): Promise<FunctionOutcome> {
  const execution = new DatabaseFunctionRun(scope, found);
  const outcome = await execution.run(args).catch((error: unknown): FunctionOutcome => {
    if (error instanceof FunctionError) return { ok: false, error: error.failure, logLines: execution.logLines };
    throw error;
  });
  return { ...outcome, journal: execution.database.journal() };
}

class DatabaseFunctionRun implements DatabaseExecution {
  readonly scope: DatabaseScope;
  readonly found: ResolvedFunction;
  /** The component's tables and this function's open queries. */
  readonly database: FunctionScope;
  /** Lines of this function and, at the place of the call, those of nested ones. */
  logLines: FunctionLogLine[] = [];
  /** Lines of nested calls, a group for each call in the order of the calls. */
  readonly #nestedLines: FunctionLogLine[][] = [];
  /** Of the host itself, which follow the function's own. */
  readonly #hostLines: FunctionLogLine[] = [];
  #syscallMs = 0;
  readonly #aborted = Promise.withResolvers<never>();
  #running = true;

  constructor(scope: DatabaseScope, found: ResolvedFunction) {
    this.scope = scope;
    this.found = found;
    this.database = new FunctionScope(scope.transaction, found.path.component, scope.journal);
    // An abort nobody waits for any more is not an unhandled rejection.
    this.#aborted.promise.catch(() => undefined);
  }

  get component(): string {
    return this.found.path.component;
  }

  /** Those that this transaction has brought into existence included. */
  get #tableNames(): TableNames {
    const { tables } = this.scope.transaction;
    return { tableName: (number) => tables.nameOf(this.component, number) };
  }

  async runNested(callee: ResolvedFunction, args: string, transaction: Transaction): Promise<FunctionOutcome> {
    const scope = { ...this.scope, transaction, depth: this.scope.depth + 1, journal: null };
    const outcome = await runDatabaseFunction(scope, callee, args);
    const { component, module, function: name } = callee.path;
    const lines = outcome.logLines.map((line) => ({
      ...line,
      componentPath: line.componentPath ?? component,
      udfPath: line.udfPath ?? `${module}:${name}`,
    }));
    this.#nestedLines.at(-1)?.push(...lines);
    return outcome;
  }

  addHostLine(line: FunctionLogLine): void {
    this.#hostLines.push(line);
  }

  async run(args: string): Promise<FunctionOutcome> {
    const { runtime, deployment, context, now, transaction, depth } = this.scope;
    // A mutation may pass its commit timestamp on to what it calls; nobody else has one.
    const commitTs = depth > 0 ? "allowed" : "refused";
    const checked = checkArguments(this.found, args, this.#tableNames, runtime.limits, commitTs);
    const snapshotTs = transaction.snapshotTs;
    const { found } = this;
    const kind = found.udfType === "Mutation" ? "mutation" : "query";
    const invocation: Invocation = {
      ...newInvocation(kind, { runtime, deployment, found, requestId: context.requestId, now }, checked),
      ...(snapshotTs === null ? {} : { snapshotTs: `${snapshotTs}000` }),
    };
    const harness = await runtime.isolates.harness(deployment.app, deployment.variables, "database");
    const capability = new DatabaseCapability(this);
    let text: string;
    try {
      const answer = harness.run(JSON.stringify(invocation), capability);
      text = await Promise.race([withinRpcSize(answer, this.found, runtime.limits), this.#aborted.promise]);
    } finally {
      this.#running = false;
    }
    // The harness shares its isolate with user code: its answer is read as data, nothing is granted by it.
    const result: InvocationResult = JSON.parse(text);
    return this.#finish(result);
  }

  async #finish(result: InvocationResult): Promise<FunctionOutcome> {
    if (result.ok === "needsSnapshot") throw new NeedsSnapshotError();
    const { runtime, deployment, depth, onObserved } = this.scope;
    onObserved?.(result.observed);
    const maps = sourceMapsOf(runtime.code, deployment.app.version);
    const lines = mergeLines(await withStacks(result.logs, maps), result.calls, this.#nestedLines);
    this.logLines = [...lines, ...this.#hostLines];
    if (!result.ok) {
      return { ok: false, error: await describeThrown(result.error, maps), logLines: this.logLines };
    }
    const slow = durationWarning(result.userTimeMs, runtime.limits.invocation.userTimeMs, runtime.clock.now());
    if (slow !== null) this.logLines.push(slow);
    checkReturnValue(this.found, result.value, this.#tableNames, runtime.limits);
    if (depth === 0 && this.found.udfType === "Query") refuseCommitTs(this.found, result.value);
    return { ok: true, value: result.value, logLines: this.logLines };
  }

  /** Ends the execution with a failure that user code can't catch. */
  #abort(error: unknown): void {
    this.#running = false;
    this.#aborted.reject(error);
  }

  /** Answers one batch, in order (`abi.md` §2.1.5). Throws when the whole execution is over. */
  async syscalls(batch: string): Promise<string> {
    if (!this.#running) throw new Error("The function has ended.");
    const requests: readonly SyscallRequest[] = JSON.parse(batch);
    const { clock, limits } = this.scope.runtime;
    const started = clock.now();
    const responses: SyscallResponse[] = [];
    for (const [op, args] of requests) {
      responses.push(await this.#answer(op, args));
    }
    this.#syscallMs += clock.now() - started;
    if (this.#syscallMs > limits.syscallTimeMs) {
      const message = `Your request timed out performing too many system operations.${limits.notes.syscallTimeMs ?? ""}`;
      this.#abort(new FunctionError(plainFailure(message)));
      throw new Error("The function has ended.");
    }
    return JSON.stringify(responses);
  }

  async #answer(op: string, args: string): Promise<SyscallResponse> {
    try {
      const handler = ownValue(databaseSyscalls, op);
      if (handler === undefined) {
        throw new CodedError("BadRequest", "UnknownAsyncOperation", `Unknown async operation ${op}`);
      }
      if (op === NESTED_CALL) this.#nestedLines.push([]);
      const parsed = parseSyscallArguments(op, args);
      return { ok: true, result: await handler(this, parsed) };
    } catch (error) {
      if (error instanceof FunctionError) {
        const { message, data } = error.failure;
        return data === undefined ? { ok: false, message } : { ok: false, message, data };
      }
      if (error instanceof CodedError && error.catchable) {
        const { message, data } = failureOf(error);
        return data === undefined ? { ok: false, message } : { ok: false, message, data };
      }
      this.#abort(error);
      throw new Error("The function has ended.", { cause: error });
    }
  }

  tables(): string {
    return JSON.stringify(tableMap(this.scope.deployment.catalog));
  }
}

/** The rights of one query or mutation: its own transaction, nothing else. */
class DatabaseCapability extends RpcTarget implements HostCapability {
  readonly #run: DatabaseFunctionRun;

  constructor(run: DatabaseFunctionRun) {
    super();
    this.#run = run;
  }

  syscalls(batch: string): Promise<string> {
    return this.#run.syscalls(batch);
  }

  tables(): Promise<string> {
    return Promise.resolve(this.#run.tables());
  }

  log(): Promise<void> {
    return Promise.reject(new Error("Lines of queries and mutations are returned with their result."));
  }

  finished(): Promise<void> {
    return Promise.reject(new Error("Only HTTP actions have a response to finish."));
  }

  disconnected(): Promise<boolean> {
    return Promise.reject(new Error("Only HTTP actions have a client of their own."));
  }

  storeBlob(): Promise<string> {
    return Promise.reject(new Error(NO_BLOBS));
  }

  getBlob(): Promise<never> {
    return Promise.reject(new Error(NO_BLOBS));
  }
}
