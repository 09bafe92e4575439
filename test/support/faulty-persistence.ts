import type { IndexId, TableId } from "../../src/engine/names.ts";
import {
  UnknownOutcomeError,
  type CatalogRows,
  type CommitBatch,
  type Head,
  type HeadProgress,
  type IndexEntry,
  type LoggedTransaction,
  type Persistence,
  type Read,
  type ReadResult,
  type RecordedOutcome,
} from "../../src/engine/persistence.ts";
import type { Timestamp } from "../../src/engine/timestamp.ts";
import { storageUnavailable } from "../../src/persistence/d1/errors.ts";
import type { SeededRandom } from "./seeded-random.ts";

/**
 * What may go wrong with one call.
 * - `delay`: the call starts when `until` settles.
 * - `lost before`: nothing reaches the database.
 * - `lost after`: it is done, and the answer is lost.
 * - `later`: it is done when `settle()` is called, long after the caller was told that the connection is lost.
 * - `overloaded`, `reset`: nothing is done; what D1 says differs.
 */
export type Fault =
  | { readonly kind: "delay"; readonly until: Promise<unknown> }
  | { readonly kind: "lost before" | "lost after" | "later" | "overloaded" | "reset" };

export type FaultyCall = keyof Persistence;

const TEXTS: Readonly<Record<Exclude<Fault["kind"], "delay">, string>> = {
  "lost before": "D1_ERROR: Network connection lost.",
  "lost after": "D1_ERROR: Network connection lost.",
  later: "D1_ERROR: Network connection lost.",
  overloaded: "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
  reset: "D1_ERROR: Internal error in D1 DB storage caused object to be reset.",
};

/**
 * A database that fails on demand: `script` queues faults for the next calls of a method, `chance` draws them. With
 * neither it is the inner database. Commits fail with `UnknownOutcomeError`, everything else with a retryable
 * `CodedError`, as the port promises.
 */
export class FaultyPersistence implements Persistence {
  readonly #inner: Persistence;
  readonly #scripts = new Map<FaultyCall, (Fault | null)[]>();
  #chance: ((call: FaultyCall) => Fault | null) | null = null;
  #late: (() => Promise<unknown>)[] = [];

  constructor(inner: Persistence) {
    this.#inner = inner;
  }

  /** Faults of the next calls of `call`, in order; `null` lets one through. */
  script(call: FaultyCall, ...faults: readonly (Fault | null)[]): void {
    this.#scripts.set(call, [...(this.#scripts.get(call) ?? []), ...faults]);
  }

  /** From now on, calls without a script fail with this probability, in one of these ways. */
  chance(random: SeededRandom, probability: number, kinds: readonly Exclude<Fault["kind"], "delay">[]): void {
    this.#chance = () => (random.chance(probability) ? { kind: random.pick(kinds) } : null);
  }

  /** No more random faults. */
  heal(): void {
    this.#chance = null;
  }

  /** Lets everything that was held back by `later` arrive, in order. Its results, errors included, go nowhere. */
  async settle(): Promise<void> {
    const late = this.#late;
    this.#late = [];
    for (const work of late) await Promise.allSettled([work()]);
  }

  read<const R extends readonly Read[]>(
    reads: R,
    at: Timestamp | "latest",
  ): Promise<{ readonly head: Head; readonly results: { readonly [I in keyof R]: ReadResult<R[I]> } }> {
    return this.#call("read", () => this.#inner.read(reads, at));
  }

  loadCatalog(): Promise<CatalogRows> {
    return this.#call("loadCatalog", () => this.#inner.loadCatalog());
  }

  commit(batch: CommitBatch): Promise<void> {
    return this.#call("commit", () => this.#inner.commit(batch));
  }

  log(after: Timestamp, limit: number): Promise<readonly LoggedTransaction[]> {
    return this.#call("log", () => this.#inner.log(after, limit));
  }

  follow(since: Head): Promise<HeadProgress> {
    return this.#call("follow", () => this.#inner.follow(since));
  }

  outcome(sessionId: string, requestId: string): Promise<RecordedOutcome | null> {
    return this.#call("outcome", () => this.#inner.outcome(sessionId, requestId));
  }

  backfill(entries: readonly IndexEntry[], readAt: Timestamp): Promise<void> {
    return this.#call("backfill", () => this.#inner.backfill(entries, readAt));
  }

  removeDocuments(tableId: TableId, limit: number): Promise<number> {
    return this.#call("removeDocuments", () => this.#inner.removeDocuments(tableId, limit));
  }

  removeIndexEntries(indexId: IndexId, limit: number): Promise<number> {
    return this.#call("removeIndexEntries", () => this.#inner.removeIndexEntries(indexId, limit));
  }

  prune(before: Timestamp, limit: number): Promise<boolean> {
    return this.#call("prune", () => this.#inner.prune(before, limit));
  }

  async #call<T>(call: FaultyCall, work: () => Promise<T>): Promise<T> {
    const script = this.#scripts.get(call) ?? [];
    const fault = script.length > 0 ? (script.shift() ?? null) : (this.#chance?.(call) ?? null);
    if (fault === null) return await work();
    if (fault.kind === "delay") {
      await fault.until;
      return await work();
    }
    if (fault.kind === "lost after") await work();
    if (fault.kind === "later") this.#late.push(work);
    const cause = new Error(TEXTS[fault.kind]);
    throw call === "commit" ? new UnknownOutcomeError(cause.message, { cause }) : storageUnavailable(cause);
  }
}
