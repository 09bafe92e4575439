import { resolveCommitTsText } from "../engine/commit-ts.ts";
import type { CatalogCommitResult } from "../engine/commit/catalog-changes.ts";
import type { WriteRules } from "../engine/commit/effects.ts";
import { Lanes } from "../engine/commit/lanes.ts";
import { MutationRunner, type RunnerCounts } from "../engine/commit/mutation-runner.ts";
import type { HighWaterMark, Jitter, Timers } from "../engine/commit/ports.ts";
import { TransactionReader } from "../engine/commit/transaction-reader.ts";
import type { IndexKey } from "../engine/names.ts";
import type { CommitSettings } from "../engine/commit/settings.ts";
import { WriterLife } from "../engine/commit/writer-life.ts";
import type { LoggedTransaction, Persistence } from "../engine/persistence.ts";
import { pinnedTs } from "../engine/snapshot-pin.ts";
import { NO_TEXT_INDEXES, type TextIndexes } from "../engine/text/text-index.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { FunctionOutcome, MutationCall } from "../protocol/execution.ts";
import type { SystemCall } from "../protocol/system-call.ts";
import type { RunJobAnswer, RunJobRequest } from "../protocol/scheduling.ts";
import type { RunnableView } from "../runtime/scheduling/run-job.ts";
import { type ExecutionLog, NO_EXECUTION_LOG } from "../protocol/function-log.ts";
import { must } from "../shared/assert.ts";
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import type { Random } from "../shared/random.ts";
import type { MutationExecutor, SystemExecutor } from "./executor.ts";
import { runJob } from "./run-job.ts";
import { LoggedMutation } from "./logged-mutation.ts";
import type { Allocated, AllocateRequest, CatalogCommitRequest } from "./messages.ts";

/** Times a job is looked at while what is read changes. */
const LOOKS = 5;

/** Rows that one pruning step may remove: keeps the database responsive between steps. */
const PRUNE_ROWS = 2_000;

export interface TransactorParts {
  readonly persistence: Persistence;
  readonly executor: MutationExecutor;
  /** Absent: there are neither system calls nor jobs. */
  readonly system?: SystemExecutor;
  readonly rules: WriteRules;
  readonly mark: HighWaterMark;
  readonly clock: Clock;
  readonly random: Random;
  readonly jitter: Jitter;
  readonly timers: Timers;
  readonly log: Log;
  readonly settings: CommitSettings;
  readonly retentionMs: number;
  readonly textIndexes?: TextIndexes;
  /** Work that pushes leave behind. True: there is more, now or later. */
  readonly background: (budgetMs: number) => Promise<boolean>;
  /** Told what was stored, once per group and in order, with the timestamp of the durable transaction before it. */
  readonly published: (transactions: readonly LoggedTransaction[], previous: Timestamp) => void;
  /** Told which jobs were added to the queue, once they are stored; of none when a writer begins. */
  readonly due?: (keys: readonly IndexKey[]) => void;
}

/** What the Durable Object does, without the Durable Object. */
export class TransactorService {
  readonly #parts: TransactorParts;
  readonly #life: WriterLife;
  readonly #runner: MutationRunner;

  constructor(parts: TransactorParts) {
    this.#parts = parts;
    const lanes = new Lanes(parts.settings, parts.clock, parts.timers);
    this.#life = new WriterLife({ ...parts, underway: () => lanes.running + lanes.queued });
    this.#runner = new MutationRunner({ life: this.#life, lanes, ...parts });
  }

  get counts(): Readonly<RunnerCounts> {
    return this.#runner.counts;
  }

  /** JSON text of a `FunctionOutcome`. `executions` is told of every run, lost ones included. */
  async runMutation(call: MutationCall, executions: ExecutionLog = NO_EXECUTION_LOG): Promise<string> {
    const logged = new LoggedMutation(call, { ...this.#parts, executions });
    try {
      const text = await this.#runner.run({
        functionName: functionName(call),
        idempotency: call.idempotency,
        execute: async (begin) => {
          logged.begin(begin);
          const { outcome, effects, completion, commitsFailure } = await this.#parts.executor.execute(call, begin);
          logged.ran(completion);
          return {
            ok: outcome.ok || commitsFailure === true,
            effects,
            answer: (ts) => JSON.stringify(answered(outcome, ts)),
          };
        },
      });
      logged.completed();
      return text;
    } catch (error) {
      logged.failed(error);
      throw error;
    }
  }

  /** JSON text of the answer. */
  async runSystem(call: SystemCall): Promise<string> {
    return this.#runner.run({
      functionName: `_system/${call.op}`,
      idempotency: null,
      ...(call.request === undefined ? {} : { request: call.request }),
      execute: async (begin) => {
        const { answer, effects } = await this.#system.executeSystem(call, begin);
        return { ok: true, effects, answer: () => JSON.stringify(answer) };
      },
    });
  }

  /** See `JobRunner`. */
  runJob(request: RunJobRequest, executions: ExecutionLog = NO_EXECUTION_LOG): Promise<RunJobAnswer> {
    return runJob(request, {
      lookAt: async (key) => this.#lookAtJob(key),
      runMutation: (call) => this.runMutation(call, executions),
      runSystem: (call) => this.runSystem(call),
      ...this.#parts,
      executions,
    });
  }

  /** Not in commit order: whatever follows from it looks again, inside its own transaction. */
  async #lookAtJob(key: IndexKey): Promise<RunnableView> {
    for (let attempt = 1; ; attempt++) {
      const { state } = await this.#life.current();
      const reader = new TransactionReader(state, NO_TEXT_INDEXES);
      try {
        return await this.#system.lookAtJob(key, { reader, catalog: reader.catalog });
      } catch (error) {
        if (reader.conflict === null || attempt === LOOKS) throw error;
      }
    }
  }

  get #system(): SystemExecutor {
    return must(this.#parts.system, "executor of system calls");
  }

  async commitCatalog(request: CatalogCommitRequest): Promise<CatalogCommitResult> {
    return (await this.#life.current()).commitCatalog(request);
  }

  async allocate(request: AllocateRequest): Promise<Allocated> {
    const { ids, state } = await this.#life.current();
    return {
      tables: request.tables.map(({ component, name }) => ids.table(state.catalog, component, name)),
      indexIds: Array.from({ length: request.indexes }, () => ids.index()),
    };
  }

  /** Timestamp of the newest stored transaction. */
  async latest(): Promise<Timestamp> {
    return (await this.#life.current()).state.durableTs;
  }

  /**
   * Removes some of what no snapshot inside the retention window can see. `more`: call again soon. `later`: what was
   * stored lately will leave the window. `done`: nothing will, until something is stored.
   */
  async prune(): Promise<"more" | "later" | "done"> {
    const { clock, retentionMs, persistence } = this.#parts;
    const { durableTs, catalog } = (await this.#life.current()).state;
    const now = clock.now();
    const edge = Math.floor((now - retentionMs) * 1000);
    // Never beyond the head: the newest snapshot must stay readable, and so must the one that an export reads.
    const before = Math.min(edge, durableTs, pinnedTs(catalog.values, now) ?? durableTs);
    if (before > 0 && (await persistence.prune(before as Timestamp, PRUNE_ROWS))) return "more";
    return edge < durableTs ? "later" : "done";
  }
}

/** The outcome as the caller gets it: with its timestamp, also where the function returned the placeholder for it. */
function answered(outcome: FunctionOutcome, ts: Timestamp): FunctionOutcome {
  return outcome.ok ? { ...outcome, value: resolveCommitTsText(outcome.value, ts), ts } : outcome;
}

/** As developers write it: `dir/messages:send`, the component in front. */
function functionName({ path }: MutationCall): string {
  const module = path.module.replace(/\.js$/, "");
  const name = path.function === "default" ? module : `${module}:${path.function}`;
  return path.component === "" ? name : `${path.component}/${name}`;
}
