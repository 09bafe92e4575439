import { FunctionScope } from "../engine/function-scope.ts";
import type { TransactionLimits } from "../engine/limits.ts";
import { METRICS } from "../engine/limits.ts";
import type { Persistence } from "../engine/persistence.ts";
import { type ReadSet, ReadSetRecorder } from "../engine/read-set.ts";
import { CatalogChangedError } from "../engine/snapshot-reader.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import { Transaction } from "../engine/transaction.ts";
import type { FunctionOutcome } from "../protocol/execution.ts";
import type { FunctionPath } from "../protocol/function-path.ts";
import type { Identity } from "../protocol/identity.ts";
import type { CurrentDeployment } from "../runtime/code/deployments.ts";
import { checkArguments } from "../runtime/functions/arguments.ts";
import type { RuntimeEnvironment } from "../runtime/functions/environment.ts";
import { failureOf, FunctionError } from "../runtime/functions/failure.ts";
import type { QueryResult } from "../runtime/functions/query-runner.ts";
import { PinnedSnapshot } from "../runtime/functions/snapshot.ts";
import { tableNames } from "../runtime/functions/table-names.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { JsonValue } from "../shared/json.ts";
import { displayPath } from "../values/function-path.ts";
import { allIndexes } from "./indexes.ts";
import { getSourceCode } from "./modules.ts";
import { SYSTEM_QUERIES } from "./system-queries.ts";
import type { SystemContext, SystemQuery } from "./system-query.ts";
import { tableShapes } from "./table-shapes.ts";

export interface SystemParts {
  readonly deployments: CurrentDeployment;
  readonly persistence: Persistence;
  readonly runtime: Pick<
    RuntimeEnvironment,
    "clock" | "random" | "cursors" | "limits" | "code" | "files" | "textIndexes"
  >;
  readonly cloudUrl: string;
  readonly siteUrl: string;
  readonly variables: SystemContext["variables"];
}

/** Each round loads a newer catalog. */
const MAX_ROUNDS = 10;

/** Functions of the backend itself, by which the CLI and the dashboard look at a deployment. They only read. */
export class SystemFunctions {
  readonly #parts: SystemParts;

  constructor(parts: SystemParts) {
    this.#parts = parts;
  }

  /**
   * Like `QueryRunner.run`: the outcome at `at` or the newest snapshot, and what it depends on. `journal`: what the
   * previous run of the same subscribed query left behind. `null`: there is no such function. Whoever may not call it
   * gets a failure. Does not appear in the function log.
   */
  async run(
    path: FunctionPath,
    args: string,
    identity: Identity,
    at: Timestamp | null = null,
    journal: string | null = null,
  ): Promise<QueryResult | null> {
    const query = SYSTEM_QUERIES.get(displayPath(path));
    return query === undefined ? null : this.#runUntilConsistent(query, path, args, identity, at, journal);
  }

  /** JSON text: what the documents of each of the component's tables look like (`/api/shapes2`). */
  async shapes(identity: Identity, component: string): Promise<FunctionOutcome> {
    const path = { component, module: "_system/shapes.js", function: "default" };
    return (await this.#runUntilConsistent(tableShapes, path, "[{}]", identity, null)).outcome;
  }

  /** The source of a module as JSON text (`/api/get_source_code`). */
  async sourceCode(identity: Identity, component: string, path: string): Promise<FunctionOutcome> {
    const called = { component, module: "_system/sourceCode.js", function: "default" };
    const args = JSON.stringify([{ path }]);
    return (await this.#runUntilConsistent(getSourceCode, called, args, identity, null)).outcome;
  }

  /** JSON text: the indexes of the component's tables (`/api/get_indexes`). */
  async indexes(identity: Identity, component: string): Promise<FunctionOutcome> {
    const path = { component, module: "_system/indexes.js", function: "default" };
    return (await this.#runUntilConsistent(allIndexes, path, "[{}]", identity, null)).outcome;
  }

  async #runUntilConsistent(
    query: SystemQuery,
    path: FunctionPath,
    args: string,
    identity: Identity,
    at: Timestamp | null,
    journal: string | null = null,
  ): Promise<QueryResult> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      try {
        return await this.#runOnce(query, path, args, identity, at, journal);
      } catch (error) {
        if (!(error instanceof CatalogChangedError)) throw error;
        this.#parts.deployments.expire();
      }
    }
    throw new CodedError("Overloaded", "CatalogContention", "The deployment changed again and again. Try again.");
  }

  async #runOnce(
    query: SystemQuery,
    path: FunctionPath,
    args: string,
    identity: Identity,
    at: Timestamp | null,
    journal: string | null,
  ): Promise<QueryResult> {
    const { deployments, persistence, runtime, cloudUrl, siteUrl, variables } = this.#parts;
    const deployment = await deployments.current();
    const { catalog } = deployment;
    const snapshot = new PinnedSnapshot(persistence, catalog.ts, at, { textIndexes: runtime.textIndexes });
    const transaction = new Transaction({
      kind: "query",
      reader: snapshot,
      catalog,
      schemas: () => null,
      now: runtime.clock.now(),
      random: runtime.random,
      cursors: runtime.cursors,
      limits: query.unbounded ? UNBOUNDED : runtime.limits.transaction,
    });
    const dependencies = new ReadSetRecorder();
    const paging = { previous: journal, next: null };
    const outcome = await developersFailure(async () => {
      // So that what is taken from the catalog is of the same moment as what is read.
      await snapshot.pin();
      const [checked = null]: readonly JsonValue[] = JSON.parse(
        checkArguments(
          { path, args: query.args },
          args,
          tableNames(catalog, path.component),
          runtime.limits,
          "refused",
        ),
      );
      const { component } = path;
      return query.run(
        {
          identity,
          now: runtime.clock.now(),
          transaction,
          database: new FunctionScope(transaction, component, null),
          deployment,
          component,
          cloudUrl,
          siteUrl,
          code: runtime.code,
          files: runtime.files.addresses,
          paging,
          variables,
          dependOn: (ref, interval) => dependencies.addRange(ref, interval),
        },
        checked,
      );
    });
    const readSet = union(transaction.readSet(), dependencies);
    // Every one of them checks its caller.
    return { outcome: { ...outcome, journal: paging.next }, readSet, ts: snapshot.snapshotTs, readsIdentity: true };
  }
}

const UNBOUNDED = Object.fromEntries(
  METRICS.map((metric) => [metric, Number.POSITIVE_INFINITY]),
) as unknown as TransactionLimits;

async function developersFailure(run: () => Promise<string>): Promise<FunctionOutcome> {
  try {
    return { ok: true, value: await run(), logLines: [] };
  } catch (error) {
    if (error instanceof FunctionError) return { ok: false, error: error.failure, logLines: [] };
    if (error instanceof CodedError && error.catchable) return { ok: false, error: failureOf(error), logLines: [] };
    throw error;
  }
}

function union(reads: ReadSet, dependencies: ReadSetRecorder): ReadSet {
  for (const [ref, intervals] of reads) for (const interval of intervals) dependencies.addRange(ref, interval);
  return dependencies.snapshot();
}
