import { logBackgroundFailure } from "../shared/background-failure.ts";
import { DurableObject } from "cloudflare:workers";
import type { HighWaterMark, Timers } from "../engine/commit/ports.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { FunctionCompletion } from "../protocol/function-log.ts";
import { encodeRpcError, encodeRpcValue } from "../protocol/rpc-error.ts";
import { CodedError } from "../shared/coded-error.ts";
import { parseRequest } from "./messages.ts";
import { TransactorService, type TransactorParts } from "./service.ts";

/** What the composition root supplies; the object itself knows about storage, timers and alarms. */
export interface TransactorComposition extends Omit<TransactorParts, "mark" | "timers"> {
  /** A Sync object asks for pushes from now on. */
  readonly listen: (shard: number) => void;
}

const MARK = "highWaterMark";

/** Pruning steps of one alarm: an alarm does bounded work, and the next one goes on. */
const PRUNE_STEPS = 10;
/** At most this, and no longer than the retention window. */
const PRUNE_INTERVAL_MS = 60_000;
const PRUNE_AGAIN_MS = 1_000;
const BACKGROUND_BUDGET_MS = 5_000;

/**
 * The only writer of a deployment: a Durable Object of which all Workers use the one named `"transactor"`. Requests
 * and answers are JSON text with a version. Its output gate does not wait for D1; `TransactorService` answers only
 * what is durable. The first request loads the head, not the constructor: others wait for the same load, and
 * `blockConcurrencyWhile` would reset the object when D1 is slow.
 */
export abstract class TransactorObject<Env> extends DurableObject<Env> {
  readonly #service: TransactorService;
  readonly #composition: TransactorComposition;
  readonly #pruneIntervalMs: number;
  /** Whether an alarm is set, as far as this object knows. */
  #pruning = false;
  /** Grows with everything that leaves work to an alarm. */
  #asked = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#composition = this.compose(ctx, env);
    this.#pruneIntervalMs = Math.min(PRUNE_INTERVAL_MS, this.#composition.retentionMs);
    this.#service = new TransactorService({
      ...this.#composition,
      mark: storedMark(ctx.storage),
      timers: TIMERS,
    });
  }

  protected abstract compose(ctx: DurableObjectState, env: Env): TransactorComposition;

  /** A `MutationCall`; the value is a `FunctionOutcome`. The runs go back with it: the caller logs them. */
  runMutation(callJson: string): Promise<string> {
    const executions: FunctionCompletion[] = [];
    const collect = { progress: () => {}, completed: (execution: FunctionCompletion) => executions.push(execution) };
    return this.#answer(async () => {
      const outcome = await this.#service.runMutation(parseRequest("runMutation", callJson), collect);
      await this.#schedulePruning();
      return outcome;
    }, executions);
  }

  /** A `SystemCall`; the value is its answer. */
  runSystem(callJson: string): Promise<string> {
    return this.#answer(async () => {
      const answer = await this.#service.runSystem(parseRequest("runSystem", callJson));
      await this.#schedulePruning();
      return answer;
    });
  }

  /** A `RunJobRequest`; the value is a `RunJobAnswer`. */
  runJob(requestJson: string): Promise<string> {
    const executions: FunctionCompletion[] = [];
    const collect = { progress: () => {}, completed: (execution: FunctionCompletion) => executions.push(execution) };
    return this.#answer(async () => {
      const answer = await this.#service.runJob(parseRequest("runJob", requestJson), collect);
      await this.#schedulePruning();
      return JSON.stringify(answer);
    }, executions);
  }

  /** A `CatalogCommitRequest`; the value is a `CatalogCommitResult`. */
  commitCatalog(requestJson: string): Promise<string> {
    return this.#answer(async () => {
      const result = await this.#service.commitCatalog(parseRequest("commitCatalog", requestJson));
      await this.#schedulePruning();
      return JSON.stringify(result);
    });
  }

  /** An `AllocateRequest`; the value is `Allocated`. */
  allocate(requestJson: string): Promise<string> {
    return this.#answer(async () =>
      JSON.stringify(await this.#service.allocate(parseRequest("allocate", requestJson))),
    );
  }

  /** The value is the timestamp of the durable head. */
  latest(): Promise<string> {
    return this.#answer(async () => JSON.stringify(await this.#service.latest()));
  }

  /** A `ListenRequest` of a Sync object. What is stored from now on is pushed to it. */
  listen(requestJson: string): Promise<void> {
    this.#composition.listen(parseRequest("listen", requestJson).shard);
    return Promise.resolve();
  }

  /** A push left work that nobody waits for. */
  async startBackground(): Promise<void> {
    this.#asked += 1;
    this.#pruning = true;
    await this.ctx.storage.setAlarm(Date.now());
  }

  override async alarm(): Promise<void> {
    const { storage } = this.ctx;
    const asked = this.#asked;
    // Set first: an alarm that fails more than six times is dropped for good.
    await storage.setAlarm(Date.now() + this.#pruneIntervalMs);
    try {
      let left: "more" | "later" | "done" = "more";
      for (let step = 0; step < PRUNE_STEPS && left === "more"; step++) left = await this.#service.prune();
      const unfinished = await this.#composition.background(BACKGROUND_BUDGET_MS);
      if (left === "more") await storage.setAlarm(Date.now() + PRUNE_AGAIN_MS);
      // Who asked while this ran relies on the alarm.
      if (left !== "done" || unfinished || asked !== this.#asked) return;
      // The next mutation sets it again.
      this.#pruning = false;
      await storage.deleteAlarm();
    } catch (error) {
      logBackgroundFailure(this.#composition.log, "transactor.prune", error);
    }
  }

  async #answer(work: () => Promise<string>, executions: readonly FunctionCompletion[] = []): Promise<string> {
    try {
      return encodeRpcValue(await work(), executions);
    } catch (error) {
      if (!(error instanceof CodedError)) this.#composition.log.error("transactor.failed", error);
      return encodeRpcError(error, executions);
    }
  }

  async #schedulePruning(): Promise<void> {
    this.#asked += 1;
    if (this.#pruning) return;
    this.#pruning = true;
    const { storage } = this.ctx;
    if ((await storage.getAlarm()) === null) await storage.setAlarm(Date.now() + this.#pruneIntervalMs);
  }
}

export const TIMERS: Timers = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

function storedMark(storage: DurableObjectStorage): HighWaterMark {
  return {
    load: async () => (await storage.get<Timestamp>(MARK)) ?? null,
    store: (mark) => storage.put(MARK, mark),
  };
}
