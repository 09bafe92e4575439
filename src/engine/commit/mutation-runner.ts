import type { Catalog } from "../catalog.ts";
import type { ComponentPath } from "../names.ts";
import { FencedError, type Persistence, type TableRow } from "../persistence.ts";
import type { SnapshotReader } from "../snapshot-reader.ts";
import { NO_TEXT_INDEXES, type TextIndexes } from "../text/text-index.ts";
import type { Timestamp } from "../timestamp.ts";
import { type Conflict, restartConflict } from "./conflict.ts";
import { ConflictRates } from "./conflict-rates.ts";
import type { TransactionEffects, WriteRules } from "./effects.ts";
import { committerStalled, conflictAfterRetries } from "./errors.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { Lanes, Turn } from "./lanes.ts";
import { type Jitter, sleep, type Timers } from "./ports.ts";
import { RecentOutcomes } from "./recent-outcomes.ts";
import type { CommitSettings } from "./settings.ts";
import { TransactionReader } from "./transaction-reader.ts";
import type { WriterLife } from "./writer-life.ts";

/** Reruns without a wait, after which waits grow. */
const PROMPT_RERUNS = 2;

/** Reruns of one call because the catalog changed or another writer took over. */
const MAX_RESTARTS = 20;

/** What a run of a mutation starts from. */
export interface TransactionBegin {
  readonly ts: Timestamp;
  readonly catalog: Catalog;
  readonly reader: SnapshotReader;
  /** 0 for the first run. */
  readonly attempt: number;
  /** Why the run before was lost, if there was one. */
  readonly lostTo: Conflict | null;
  /** Row that the table has or will have; the table exists once the transaction is committed. */
  allocateTable(component: ComponentPath, name: string): TableRow;
}

type RunHistory = Pick<TransactionBegin, "attempt" | "lostTo">;

export interface MutationRun {
  /** False: the function failed. Nothing is written, and its answer is not recorded. */
  readonly ok: boolean;
  readonly effects: TransactionEffects;
  /** JSON text for the caller. `ts`: commit timestamp, or the snapshot if nothing was written. */
  readonly answer: (ts: Timestamp) => string;
}

export interface MutationJob {
  /** Component and path, as texts name it. Calls of one name share a lane. */
  readonly functionName: string;
  readonly idempotency: {
    readonly sessionId: string;
    readonly requestId: string;
    /** True when the caller knows that it never sent this request before: storage need not be asked. */
    readonly fresh?: boolean;
  } | null;
  /**
   * Names a request that may arrive twice and whose outcome is not stored: it is run once at a time, and what became of
   * it is remembered for a while. What another object did with it, `execute` finds in the database.
   */
  readonly request?: string;
  /** Runs the function once. May be called several times; only the last run counts. */
  execute(begin: TransactionBegin): Promise<MutationRun>;
}

export interface MutationRunnerParts {
  readonly life: WriterLife;
  readonly lanes: Lanes;
  readonly rules: WriteRules;
  readonly persistence: Persistence;
  readonly timers: Timers;
  readonly jitter: Jitter;
  readonly settings: CommitSettings;
  readonly textIndexes?: TextIndexes;
}

/** How often something happened since the object was made. */
export interface RunnerCounts {
  runs: number;
  conflicts: number;
  commits: number;
}

/** One request that may arrive twice, while its outcome is not known. */
interface Request {
  readonly key: string;
  /** Set once a run was decided: true when it is stored. */
  fate: Promise<boolean> | null;
  text: string;
}

type RunResult =
  | {
      readonly kind: "answer";
      readonly text: string;
      readonly durable: Promise<void>;
    }
  | { readonly kind: "conflict"; readonly conflict: Conflict };

/**
 * Runs mutations until they are committed: at most once per idempotency id, in a lane when calls of the function
 * keep conflicting, again when others changed what a run read. Resolves when the outcome is durable.
 *
 *     run ─ recorded? ─ turn ─ execute ─ decide ─ durable ─► answer
 *                         ▲        └─ conflict ─┐
 *                         └──── to the front ◄──┘   at most `maxRetries` times
 */
export class MutationRunner {
  readonly #parts: MutationRunnerParts;
  readonly #rates = new ConflictRates();
  readonly #recent: RecentOutcomes;
  /** Requests that are not answered, or were answered with an error before the fate of their commit was known. */
  readonly #inProgress = new Map<string, Promise<string>>();
  readonly counts: RunnerCounts = { runs: 0, conflicts: 0, commits: 0 };

  constructor(parts: MutationRunnerParts) {
    this.#parts = parts;
    this.#recent = new RecentOutcomes(parts.settings.recentOutcomes);
  }

  /** JSON text of the outcome, as `MutationRun.answer` made it. */
  run(job: MutationJob): Promise<string> {
    const key = requestKey(job);
    if (key === null) return this.#runUntilCommitted(job, null);
    const recent = this.#recent.get(key);
    if (recent !== undefined) return Promise.resolve(recent);
    const inProgress = this.#inProgress.get(key);
    if (inProgress !== undefined) return inProgress;
    const request: Request = { key, fate: null, text: "" };
    const answer = this.#runUntilCommitted(job, request).finally(() => this.#finishRequest(request));
    this.#inProgress.set(key, answer);
    return answer;
  }

  /** A request whose commit may still be stored stays in progress, so that a second run can't double it. */
  #finishRequest(request: Request): void {
    if (request.fate === null) {
      this.#inProgress.delete(request.key);
      return;
    }
    void request.fate.then((stored) => {
      if (stored) this.#recent.set(request.key, request.text);
      this.#inProgress.delete(request.key);
    });
  }

  async #runUntilCommitted(job: MutationJob, request: Request | null): Promise<string> {
    const { life, lanes, settings, timers } = this.#parts;
    const name = job.functionName;
    let lost = 0;
    let restarts = 0;
    let lostTo: Conflict | null = null;
    let lookedUp: GroupCommit | null = null;
    for (;;) {
      const line = life.alive ?? (await life.current());
      line.checkAdmission();
      // Not before the head is loaded: an older object's last commit may be stored until then, and is fenced after.
      if (lookedUp !== line) {
        const recorded = await this.#recorded(job);
        if (recorded !== null) return recorded;
        lookedUp = line;
      }
      const arrival = line.state.decidedTs;
      const turn = await lanes.enter(name, lost > 0 || this.#rates.isHot(name), lost > 0);
      const result = await this.#runInTurn(job, request, line, turn, arrival, { attempt: lost + restarts, lostTo });
      if (result.kind === "answer") {
        await result.durable;
        return result.text;
      }
      const { conflict } = result;
      lostTo = conflict;
      this.counts.conflicts += 1;
      if (conflict.kind === "restart") {
        restarts += 1;
        if (restarts > MAX_RESTARTS) throw committerStalled();
        continue;
      }
      lost += 1;
      this.#rates.record(name, true);
      if (conflict.writer !== null && conflict.writer !== name) lanes.join(name, conflict.writer);
      if (lost > settings.maxRetries) throw this.#giveUp(conflict, name);
      // The conflicting commit is decided, so the first reruns have nothing to wait for.
      if (lost > PROMPT_RERUNS) await sleep(timers, this.#backoff(lost - PROMPT_RERUNS - 1));
    }
  }

  /** The answer of an earlier run of the same request. */
  async #recorded({ idempotency }: MutationJob): Promise<string | null> {
    if (idempotency === null || idempotency.fresh === true) return null;
    const recorded = await this.#parts.persistence.outcome(idempotency.sessionId, idempotency.requestId);
    return recorded?.outcome ?? null;
  }

  async #runInTurn(
    job: MutationJob,
    request: Request | null,
    line: GroupCommit,
    turn: Turn,
    arrival: Timestamp,
    history: RunHistory,
  ): Promise<RunResult> {
    try {
      if (line.ended !== null) return { kind: "conflict", conflict: restartConflict() };
      this.counts.runs += 1;
      const reader = new TransactionReader(line.state, this.#parts.textIndexes ?? NO_TEXT_INDEXES);
      const run = await this.#execute(job, line, reader, history);
      return run === null ? this.#interrupted(line, reader) : this.#finish(job, request, line, reader, run, arrival);
    } finally {
      turn.leave();
    }
  }

  /** `null`: the run was cut short because it can't be committed; the reader knows why. */
  async #execute(
    job: MutationJob,
    line: GroupCommit,
    reader: TransactionReader,
    history: RunHistory,
  ): Promise<MutationRun | null> {
    try {
      const run = await job.execute({
        ts: reader.snapshotTs,
        catalog: reader.catalog,
        reader,
        ...history,
        allocateTable: (component, table) => line.ids.table(line.state.catalog, component, table),
      });
      return reader.failure === null ? run : null;
    } catch (error) {
      if (reader.failure !== null) return null;
      throw error;
    }
  }

  #interrupted(line: GroupCommit, reader: TransactionReader): RunResult {
    if (reader.failure instanceof FencedError) line.end(reader.failure);
    if (reader.conflict === null) throw reader.failure ?? new Error("A run ended without a result");
    return { kind: "conflict", conflict: reader.conflict };
  }

  /** Synchronous: nothing is decided between the validation of the reads and the decision. */
  #finish(
    job: MutationJob,
    request: Request | null,
    line: GroupCommit,
    reader: TransactionReader,
    run: MutationRun,
    arrival: Timestamp,
  ): RunResult {
    if (line.ended !== null) return { kind: "conflict", conflict: restartConflict() };
    const { effects } = run;
    if (!run.ok || isReadOnly(run, job)) {
      // The error of a function is worth telling only if it would fail in the same way now.
      const stale = run.ok ? null : line.conflict(reader, effects);
      if (stale !== null) return { kind: "conflict", conflict: stale };
      return { kind: "answer", text: run.answer(reader.snapshotTs), durable: line.durable(reader.snapshotTs) };
    }
    const wouldHaveConflicted = this.#wouldHaveConflicted(job, line, effects, reader, arrival);
    let text = "";
    const { idempotency } = job;
    const decision = line.decide(reader, effects, {
      source: job.functionName,
      outcome: (ts) => {
        text = run.answer(ts);
        return idempotency === null
          ? null
          : { sessionId: idempotency.sessionId, requestId: idempotency.requestId, ts, outcome: text };
      },
    });
    if (decision.kind === "conflict") return decision;
    this.counts.commits += 1;
    this.#rates.record(job.functionName, wouldHaveConflicted);
    if (request !== null) {
      request.fate = decision.fate;
      request.text = text;
    }
    return { kind: "answer", text, durable: decision.durable };
  }

  /** Whether the run would have been lost had it begun when the call arrived, instead of waiting for its turn. */
  #wouldHaveConflicted(
    job: MutationJob,
    line: GroupCommit,
    effects: TransactionEffects,
    reader: TransactionReader,
    arrival: Timestamp,
  ): boolean {
    if (arrival >= reader.snapshotTs || !this.#rates.isTracked(job.functionName)) return false;
    const { log } = line.state;
    return log.floor <= arrival && log.conflict(arrival, effects.readSet) !== null;
  }

  #giveUp(conflict: Conflict, functionName: string): Error {
    if (conflict.table === null) return committerStalled();
    const { document } = conflict;
    const documentId = document === null ? null : this.#parts.rules.documentId(document.table.number, document.id);
    return conflictAfterRetries({ table: conflict.table, documentId, writer: conflict.writer }, functionName);
  }

  #backoff(attempt: number): number {
    const { backoffInitialMs, backoffMaxMs } = this.#parts.settings;
    return Math.min(backoffMaxMs, backoffInitialMs * 2 ** attempt) * (0.5 + 0.5 * this.#parts.jitter());
  }
}

function requestKey({ idempotency, request }: MutationJob): string | null {
  if (idempotency !== null) return `${idempotency.sessionId}\u0000${idempotency.requestId}`;
  return request ?? null;
}

/** Nothing to store: no write, and no answer to record. */
function isReadOnly(run: MutationRun, job: MutationJob): boolean {
  const { documents, newTables } = run.effects.writeSet;
  return documents.length === 0 && newTables.length === 0 && job.idempotency === null;
}
