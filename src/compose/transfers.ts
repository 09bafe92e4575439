import { allDocuments } from "../engine/all-documents.ts";
import { must } from "../shared/assert.ts";
import { QueryRunner } from "../runtime/functions/query-runner.ts";
import { Deployments } from "../runtime/code/deployments.ts";
import { EXPORTS_TABLE } from "../transfer/export-document.ts";
import { IMPORTS_TABLE } from "../transfer/import-document.ts";
import type { TransferPorts } from "../transfer/ports.ts";
import { StreamingExport, type StreamingExportParts } from "../transfer/streaming-export.ts";
import { TransferService } from "../transfer/transfer-service.ts";
import { workOnTransfers } from "../transfer/transfers.ts";
import { type TransfersComposition, TransfersObject } from "../transfer/transfers-object.ts";
import { TransactorClient } from "../transactor/transactor-client.ts";
import { type Bindings, TRANSACTOR_NAME, TRANSFERS_NAME } from "./environment.ts";
import { composeCore } from "./runtime.ts";
import { clock, log, pause, random } from "./system.ts";

/** The Durable Object class that wrangler.toml names. */
export class Transfers extends TransfersObject<Bindings> {
  protected override compose(_ctx: DurableObjectState, bindings: Bindings): TransfersComposition {
    const core = composeCore(bindings);
    const { settings, persistence, loader, runtime, files, tableSizes, search, code } = core;
    const deployments = new Deployments({ persistence, loader, clock, leaseMs: settings.codeLeaseMs });
    const queries = new QueryRunner(runtime, deployments, persistence);
    const transactor = new TransactorClient(() => bindings.TRANSACTOR.getByName(TRANSACTOR_NAME));
    const ports: TransferPorts = {
      bucket: bindings.FILES,
      files: files.store,
      persistence,
      committer: transactor,
      countDocuments: async (table, bound) => (await tableSizes.size(table, bound)).documents,
      run: (op, args) => transactor.runSystem({ v: 1, op, args }),
      components: () => queries.look((_, { app }) => Promise.resolve(Object.keys(app?.version.components ?? {}))),
      schema: async (version, component) =>
        version === null ? null : ((await code.app(version))?.components[component]?.schema ?? null),
      documentType: (component, name) =>
        queries.look((_, { app }) => {
          const tables = app?.component(component)?.schema?.tables ?? [];
          return Promise.resolve(tables.find(({ tableName }) => tableName === name)?.documentType ?? null);
        }),
      derivedIndexes: search,
      pause,
      clock,
      log,
    };
    return {
      work: (budgetMs) =>
        workOnTransfers(
          { imports: () => documents(queries, IMPORTS_TABLE), exports: () => documents(queries, EXPORTS_TABLE) },
          ports,
          budgetMs,
        ),
      clock,
      log,
    };
  }
}

function documents(queries: QueryRunner, name: string) {
  return queries.look(async (transaction) => {
    const table = transaction.tables.named("", name);
    return table === null ? [] : (await allDocuments(transaction, table)).map(({ document }) => document);
  });
}

export function composeTransferService(
  bindings: Bindings,
  transactor: TransactorClient,
  queries: QueryRunner,
): TransferService {
  return new TransferService({
    bucket: bindings.FILES,
    random,
    run: (op, args) => transactor.runSystem({ v: 1, op, args }),
    exports: () => documents(queries, EXPORTS_TABLE),
    start: () => bindings.TRANSFERS.getByName(TRANSFERS_NAME).start(),
  });
}

export function composeStreamingExport(persistence: StreamingExportParts["persistence"], queries: QueryRunner) {
  return new StreamingExport({
    persistence,
    now: () =>
      queries.look(async (transaction, { catalog }) => {
        await transaction.pin();
        return { ts: must(transaction.snapshotTs, "timestamp of a snapshot"), catalog };
      }),
  });
}

/** Never rejects: whoever comes next wakes it, too. */
export async function wakeTransfers(bindings: Bindings): Promise<void> {
  try {
    await bindings.TRANSFERS.getByName(TRANSFERS_NAME).wake();
  } catch (error) {
    log.error("transfer.unreachable", error);
  }
}
