import { CatalogChangedError } from "../../engine/snapshot-reader.ts";
import type { Persistence } from "../../engine/persistence.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import { Transaction } from "../../engine/transaction.ts";
import type { ReadSet } from "../../engine/read-set.ts";
import type { FunctionCall, FunctionOutcome } from "../../protocol/execution.ts";
import type { UsageStats } from "../../protocol/function-log.ts";
import { badRequest, CodedError } from "../../shared/coded-error.ts";
import { userAttributes } from "../../auth/identity.ts";
import { refuseWhilePaused } from "../code/deployment-state.ts";
import type { CurrentDeployment, Deployment } from "../code/deployments.ts";
import { runDatabaseFunction, NeedsSnapshotError } from "./run-database-function.ts";
import type { RuntimeEnvironment } from "./environment.ts";
import { Execution, usageOf } from "./execution.ts";
import { failureOf, FunctionError } from "./failure.ts";
import type { ReadMemory } from "./read-memory.ts";
import { callText, type QueryKey } from "./query-cache.ts";
import { resolveFunction } from "./resolve.ts";
import { withWarnings } from "./warnings.ts";
import { outOfRetention, PinnedSnapshot } from "./snapshot.ts";

/** A query is pure, so it may simply run again when the catalog moved under it. Each round loads a newer catalog. */
const MAX_ROUNDS = 10;

export interface QueryResult {
  readonly outcome: FunctionOutcome;
  /** What the result depends on, for subscriptions and the cache. */
  readonly readSet: ReadSet;
  /** The snapshot, `null` when the query never read anything. */
  readonly ts: Timestamp | null;
  /** False: the result is the same whoever calls, at equal visibility. */
  readonly readsIdentity: boolean;
}

interface MeasuredResult extends QueryResult {
  readonly usage: Partial<UsageStats>;
}

/** Runs queries against one snapshot each, from a Worker or any object that may read storage. */
export class QueryRunner {
  readonly #runtime: RuntimeEnvironment;
  readonly #deployments: CurrentDeployment;
  readonly #persistence: Persistence;
  readonly #memory: ReadMemory | null;

  constructor(
    runtime: RuntimeEnvironment,
    deployments: CurrentDeployment,
    persistence: Persistence,
    memory: ReadMemory | null = null,
  ) {
    this.#runtime = runtime;
    this.#deployments = deployments;
    this.#persistence = persistence;
    this.#memory = memory;
  }

  /** `at` = a snapshot to read, `null` = the newest. `journal` of an earlier run keeps page borders in place. */
  async run(call: FunctionCall, at: Timestamp | null, journal: string | null): Promise<QueryResult> {
    const execution = new Execution(this.#runtime, call, "Query");
    try {
      const cached = await this.#cached(call, at, journal);
      if (cached !== null) {
        execution.completed(cached.outcome, { cachedResult: true });
        return cached;
      }
      const run = () => this.#untilConsistent(at, (pinned) => this.#runOnce(call, pinned, journal));
      // An action's own queries are bounded by its pending operations and must not wait for strangers; and when the
      // action ends first, the platform drops them, and nobody would give their turns back.
      const admitted = call.context.caller === "Action" ? run() : this.#runtime.admission.queries.admit(run);
      const { usage, ...result } = await admitted;
      execution.completed(result.outcome, { usage });
      return result;
    } catch (error) {
      execution.failed(error);
      throw error;
    }
  }

  async #cached(call: FunctionCall, at: Timestamp | null, journal: string | null): Promise<QueryResult | null> {
    const found = await this.#memory?.query(queryKey(call, journal), at);
    if (found === undefined || found === null) return null;
    const { outcome, readSet, readsIdentity } = found.query;
    return { outcome, readSet, readsIdentity, ts: found.ts };
  }

  /** For the backend itself: what it sees at the newest snapshot. `read` may be asked more than once. */
  look<T>(read: (transaction: Transaction, deployment: Deployment) => Promise<T>): Promise<T> {
    return this.#untilConsistent(null, async (at) => {
      const deployment = await this.#deployments.current();
      const { snapshot, transaction } = this.#begin(deployment, at, this.#runtime.clock.now());
      const result = await read(transaction, deployment);
      await snapshot.verify();
      return result;
    });
  }

  async #untilConsistent<T>(at: Timestamp | null, run: (at: Timestamp | null) => Promise<T>): Promise<T> {
    let pinned = at;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      try {
        return await run(pinned);
      } catch (error) {
        if (error instanceof CatalogChangedError) this.#deployments.expire();
        else if (error instanceof NeedsSnapshotError) pinned = await this.latest();
        else throw error;
      }
    }
    throw new CodedError(
      "Overloaded",
      "CatalogContention",
      "The deployment changed again and again while the query ran. Try again.",
    );
  }

  /** Timestamp of the newest durable transaction. */
  async latest(): Promise<Timestamp> {
    const { head } = await this.#persistence.read([], "latest");
    return head.ts;
  }

  /** Throws when nobody can read at `at`: not committed yet, or pruned. */
  async checkSnapshot(at: Timestamp): Promise<void> {
    const { head } = await this.#persistence.read([], "latest");
    if (at > head.ts) {
      throw badRequest("InvalidTimestamp", `Timestamp ${at} is newer than ${head.ts}, the latest one committed.`);
    }
    if (at < head.retainedFrom) {
      throw outOfRetention();
    }
  }

  async #runOnce(call: FunctionCall, at: Timestamp | null, journal: string | null): Promise<MeasuredResult> {
    const deployment = await this.#deployments.current();
    const { app } = deployment;
    const runtime = this.#runtime;
    const now = runtime.clock.now();
    const { snapshot, transaction } = this.#begin(deployment, at, now);
    let readsIdentity = false;
    const observed = { time: false, randomness: false };
    const result = await this.#outcome(async () => {
      refuseWhilePaused(deployment.catalog.values);
      const found = resolveFunction(app, call.path, "Query", call.visibility);
      if (app === null) throw new Error("a function was found without an app");
      const { identity, context } = call;
      return runDatabaseFunction(
        {
          runtime,
          deployment: { ...deployment, app },
          transaction,
          identity,
          context,
          now,
          depth: 0,
          journal,
          onIdentityRead: () => {
            readsIdentity = true;
          },
          onObserved: ({ time, randomness }) => {
            observed.time ||= time;
            observed.randomness ||= randomness;
          },
        },
        found,
        call.args,
      );
    });
    await snapshot.verify();
    const outcome = withWarnings(result, { call, transaction, limits: runtime.limits, now: runtime.clock.now() });
    const readSet = transaction.readSet();
    const { head, snapshotTs: ts } = snapshot;
    if (this.#memory !== null && head !== null && ts !== null) {
      const run = { outcome, readSet, readsIdentity, observed, ts, catalogTs: deployment.catalog.ts, startedAt: now };
      this.#memory.store(queryKey(call, journal), run, head);
    }
    return { outcome, readSet, ts, readsIdentity, usage: usageOf(transaction) };
  }

  #begin({ app, catalog }: Deployment, at: Timestamp | null, now: number) {
    const runtime = this.#runtime;
    const snapshot = new PinnedSnapshot(this.#persistence, catalog.ts, at, {
      textIndexes: runtime.textIndexes,
      memory: this.#memory,
    });
    const transaction = new Transaction({
      kind: "query",
      reader: snapshot,
      catalog,
      schemas: (component) => app?.schema(component) ?? null,
      now,
      random: runtime.random,
      limits: runtime.limits.transaction,
      limitNotes: runtime.limits.transactionNotes,
      cursors: runtime.cursors,
    });
    return { snapshot, transaction };
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

function queryKey(call: FunctionCall, journal: string | null): QueryKey {
  const identity = call.identity.kind === "none" ? "null" : JSON.stringify(userAttributes(call.identity));
  return { call: callText(call, journal), identity };
}
