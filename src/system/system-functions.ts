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
import { tableNames } from "../runtime/functions/table-names.ts";
import { PinnedSnapshot } from "../runtime/functions/snapshot.ts";
import { CodedError } from "../shared/coded-error.ts";
import type { JsonValue } from "../shared/json.ts";
import { displayPath } from "../values/function-path.ts";
import { apiSpec } from "./api-spec.ts";
import { cloudUrl } from "./cloud-url.ts";
import { listComponents } from "./components.ts";
import { listCronJobRuns, listCronJobs } from "./cron-jobs.ts";
import { getVariable, listVariables } from "./environment-variables.ts";
import { deploymentState } from "./deployment-state.ts";
import { latestExport } from "./exports.ts";
import { fileMetadata, getFile, numFiles } from "./files.ts";
import { getImport, listImports } from "./imports.ts";
import { indexes } from "./indexes.ts";
import { queryTable } from "./query-table.ts";
import { paginatedScheduledJobs } from "./scheduled-jobs.ts";
import { getSchemas } from "./schemas.ts";
import type { SystemContext, SystemQuery } from "./system-query.ts";
import { tableData } from "./table-data.ts";
import { listById, listTableScan, paginatedTableDocuments } from "./table-documents.ts";
import { tableMapping } from "./table-mapping.ts";
import { sizeOfAllTables, tableSize } from "./table-size.ts";
import { tableShapes } from "./table-shapes.ts";
import { tables } from "./tables.ts";

/** By the path that people write; a default export goes by its module alone (`cli.md` §2.6). */
export const SYSTEM_QUERIES: ReadonlyMap<string, SystemQuery> = new Map([
  ["_system/cli/modules:apiSpec", apiSpec],
  ["_system/cli/convexUrl:cloudUrl", cloudUrl],
  ["_system/cli/tables", tables],
  ["_system/cli/tableData", tableData],
  ["_system/cli/tableSize", tableSize],
  ["_system/cli/queryTable", queryTable],
  ["_system/cli/queryEnvironmentVariables", listVariables],
  ["_system/cli/queryEnvironmentVariables:get", getVariable],
  ["_system/cli/queryImport", getImport],
  ["_system/cli/queryImport:list", listImports],
  ["_system/cli/exports:getLatest", latestExport],
  ["_system/frontend/components:list", listComponents],
  ["_system/frontend/deploymentState:deploymentState", deploymentState],
  ["_system/frontend/getSchemas", getSchemas],
  ["_system/frontend/getTableMapping", tableMapping],
  ["_system/frontend/tableSize", tableSize],
  ["_system/frontend/tableSize:sizeOfAllTables", sizeOfAllTables],
  ["_system/frontend/listTableScan", listTableScan],
  ["_system/frontend/indexes", indexes],
  ["_system/frontend/fileStorageV2:numFiles", numFiles],
  ["_system/frontend/fileStorageV2:fileMetadata", fileMetadata],
  ["_system/frontend/fileStorageV2:getFile", getFile],
  ["_system/frontend/paginatedTableDocuments", paginatedTableDocuments],
  ["_system/frontend/listById", listById],
  ["_system/frontend/listEnvironmentVariables", listVariables],
  ["_system/frontend/listCronJobs", listCronJobs],
  ["_system/frontend/listCronJobRuns", listCronJobRuns],
  ["_system/frontend/paginatedScheduledJobs", paginatedScheduledJobs],
]);

export interface SystemParts {
  readonly deployments: CurrentDeployment;
  readonly persistence: Persistence;
  readonly runtime: Pick<RuntimeEnvironment, "clock" | "random" | "cursors" | "limits" | "files">;
  readonly cloudUrl: string;
  readonly variables: SystemContext["variables"];
}

/** Each round loads a newer catalog. */
const MAX_ROUNDS = 10;

/** Functions of the backend itself, by which the CLI and the dashboard look at a deployment. They only read; those that write are `SYSTEM_MUTATIONS`. */
export class SystemFunctions {
  readonly #parts: SystemParts;

  constructor(parts: SystemParts) {
    this.#parts = parts;
  }

  /**
   * Like `QueryRunner.run`: the outcome at `at` or the newest snapshot, and what it depends on. `null`: there is no
   * such function. Whoever may not call it gets a failure. Does not appear in the function log.
   */
  async run(
    path: FunctionPath,
    args: string,
    identity: Identity,
    at: Timestamp | null = null,
  ): Promise<QueryResult | null> {
    const query = SYSTEM_QUERIES.get(displayPath(path));
    return query === undefined ? null : this.#runUntilConsistent(query, path, args, identity, at);
  }

  /** JSON text: what the documents of each of the app's tables look like (`/api/shapes2`). */
  async shapes(identity: Identity): Promise<FunctionOutcome> {
    const path = { component: "", module: "_system/shapes.js", function: "default" };
    return (await this.#runUntilConsistent(tableShapes, path, "[{}]", identity, null)).outcome;
  }

  async #runUntilConsistent(
    query: SystemQuery,
    path: FunctionPath,
    args: string,
    identity: Identity,
    at: Timestamp | null,
  ): Promise<QueryResult> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      try {
        return await this.#runOnce(query, path, args, identity, at);
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
  ): Promise<QueryResult> {
    const { deployments, persistence, runtime, cloudUrl: url, variables } = this.#parts;
    const deployment = await deployments.current();
    const { catalog } = deployment;
    const now = runtime.clock.now();
    const snapshot = new PinnedSnapshot(persistence, catalog.ts, at);
    const transaction = new Transaction({
      kind: "query",
      reader: snapshot,
      catalog,
      schemas: () => null,
      now,
      random: runtime.random,
      cursors: runtime.cursors,
      limits: query.unbounded ? UNBOUNDED : runtime.limits.transaction,
    });
    const dependencies = new ReadSetRecorder();
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
      return query.run(
        {
          identity,
          transaction,
          database: new FunctionScope(transaction, path.component, null),
          deployment,
          component: path.component,
          addresses: runtime.files.addresses,
          now,
          cloudUrl: url,
          variables,
          dependOn: (ref, interval) => dependencies.addRange(ref, interval),
        },
        checked,
      );
    });
    const readSet = union(transaction.readSet(), dependencies);
    // Every one of them checks its caller.
    return { outcome, readSet, ts: snapshot.snapshotTs, readsIdentity: true };
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
