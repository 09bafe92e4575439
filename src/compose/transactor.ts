import { BackgroundIndexWork } from "../deploy/background.ts";
import { HISTORY_WORK } from "../deploy/history.ts";
import { resolveCommitTs } from "../engine/commit-ts.ts";
import { DEFAULT_COMMIT_SETTINGS } from "../engine/commit/settings.ts";
import { indexUpdates } from "../engine/index-updates.ts";
import { fileWork } from "../runtime/files/system-work.ts";
import { MutationExecutor } from "../runtime/functions/mutation-executor.ts";
import { limitNotes } from "../protocol/settings.ts";
import { SCHEDULER_WORK } from "../scheduler/system-work.ts";
import { CANCEL_JOBS_WORK } from "../system/cancel-jobs.ts";
import { SYSTEM_MUTATIONS } from "../system/system-mutations.ts";
import { TransactorClient } from "../transactor/transactor-client.ts";
import { CommitPublisher } from "../transactor/commit-publisher.ts";
import { TIMERS, type TransactorComposition, TransactorObject } from "../transactor/transactor.ts";
import { removeDroppedTables } from "../transfer/dropped-tables.ts";
import { TRANSFER_WORK } from "../transfer/system-work.ts";
import { encodeDocumentId } from "../values/document-id.ts";
import { type Bindings, syncName, TRANSACTOR_NAME } from "./environment.ts";
import { schedulerClient } from "./scheduler-client.ts";
import { deployPorts } from "./push.ts";
import { composeCore } from "./runtime.ts";
import { clock, jitter, log, random } from "./system.ts";

/** The Durable Object class that wrangler.toml names. */
export class Transactor extends TransactorObject<Bindings> {
  protected override compose(_ctx: DurableObjectState, bindings: Bindings): TransactorComposition {
    const core = composeCore(bindings);
    const { settings, persistence, runtime, loader } = core;
    const scheduler = schedulerClient(bindings);
    const self = new TransactorClient(() => bindings.TRANSACTOR.getByName(TRANSACTOR_NAME));
    const ports = deployPorts(core, bindings.LOADER, self, { onFlip: () => {}, startBackground: () => {} });
    const work = {
      ...SCHEDULER_WORK,
      // An upload has half the time, so that none is recorded while its bytes are being swept away.
      mutations: {
        ...SCHEDULER_WORK.mutations,
        ...fileWork(settings.fileOrphanMs / 2),
        ...TRANSFER_WORK,
        ...CANCEL_JOBS_WORK,
        ...HISTORY_WORK,
      },
    };
    const executor = new MutationExecutor(runtime, loader, work, SYSTEM_MUTATIONS);
    const indexWork = new BackgroundIndexWork(ports);
    const publisher = new CommitPublisher({
      shards: settings.syncShards,
      subscriber: (shard) => bindings.SYNC.getByName(syncName(shard)),
      timers: TIMERS,
      log,
    });
    return {
      persistence,
      executor,
      system: executor,
      rules: { indexUpdates, resolveCommitTs, documentId: encodeDocumentId },
      clock,
      random,
      jitter,
      log,
      settings: {
        ...DEFAULT_COMMIT_SETTINGS,
        memoryBytes: settings.transactorMemoryBytes,
        maxConcurrent: settings.concurrentMutations,
        concurrencyNote: limitNotes(settings).concurrentMutations ?? "",
        maxQueued: settings.transactorQueue,
        queueTimeoutMs: settings.functionQueueMs,
        maxRetries: settings.occRetries,
        gatherMs: settings.commitGatherMs,
        writeBytesPerSecond: settings.writeBytesPerSecond === 0 ? null : settings.writeBytesPerSecond,
        writeRateNote: limitNotes(settings).writeBytesPerSecond ?? "",
      },
      retentionMs: settings.retentionMs,
      textIndexes: runtime.textIndexes,
      background: async (budgetMs) => {
        const unfinished = await indexWork.run(budgetMs);
        return (await removeDroppedTables({ ...ports, persistence }, budgetMs)) || unfinished;
      },
      published: (transactions, previous) => publisher.publish(transactions, previous),
      listen: (shard) => publisher.listen(shard),
      due: (keys) => void scheduler.notify(keys),
    };
  }
}
