import {
  type CatalogRows,
  type CommitBatch,
  type Head,
  type HeadProgress,
  type LoggedTransaction,
  type Persistence,
  type Read,
  type ReadResult,
  type RecordedOutcome,
  UnknownOutcomeError,
} from "../../src/engine/persistence.ts";
import type { Timestamp } from "../../src/engine/timestamp.ts";
import type { SimplePersistence } from "./simple-persistence.ts";
import type { VirtualTime } from "./virtual-time.ts";

/**
 * What becomes of one commit: `lost` before it was stored, `unanswered` after, `late` = stored after a while although
 * it was answered as unknown.
 */
export type CommitFate = "ok" | "lost" | "unanswered" | "late";

export interface Script {
  /** Milliseconds on the way there, and on the way back. */
  readonly delay?: () => number;
  readonly commitFate?: (batch: CommitBatch) => CommitFate;
  /** Called before and after every operation; a promise that never settles is a crash. */
  readonly gate?: (point: string) => Promise<void>;
}

/** One object's connection to a shared store, with delays, losses and crashes by script. */
export class ScriptedPersistence implements Persistence {
  readonly #store: SimplePersistence;
  readonly #time: VirtualTime;
  readonly #script: Script;

  constructor(store: SimplePersistence, time: VirtualTime, script: Script) {
    this.#store = store;
    this.#time = time;
    this.#script = script;
  }

  read<const R extends readonly Read[]>(
    reads: R,
    at: Timestamp | "latest",
  ): Promise<{ readonly head: Head; readonly results: { readonly [I in keyof R]: ReadResult<R[I]> } }> {
    return this.#travel("read", () => this.#store.read(reads, at));
  }

  loadCatalog(): Promise<CatalogRows> {
    return this.#travel("loadCatalog", () => this.#store.loadCatalog());
  }

  commit(batch: CommitBatch): Promise<void> {
    return this.#travel("commit", async () => {
      const fate = this.#script.commitFate?.(batch) ?? "ok";
      if (fate === "ok") return this.#store.commit(batch);
      if (fate === "unanswered") await this.#store.commit(batch);
      if (fate === "late") {
        // Whether it still fits the head by then is what the fence decides.
        this.#time.after(150, () => void this.#store.commit(batch).catch(() => undefined));
      }
      throw new UnknownOutcomeError(`The connection was lost: ${fate}`);
    });
  }

  log(after: Timestamp, limit: number): Promise<readonly LoggedTransaction[]> {
    return this.#travel("log", () => this.#store.log(after, limit));
  }

  follow(since: Head): Promise<HeadProgress> {
    return this.#travel("follow", () => this.#store.follow(since));
  }

  outcome(sessionId: string, requestId: string): Promise<RecordedOutcome | null> {
    return this.#travel("outcome", () => this.#store.outcome(sessionId, requestId));
  }

  backfill(): Promise<void> {
    return this.#store.backfill();
  }

  removeIndexEntries(): Promise<number> {
    return this.#store.removeIndexEntries();
  }

  removeDocuments(): Promise<number> {
    return this.#store.removeDocuments();
  }

  prune(before: Timestamp): Promise<boolean> {
    return this.#travel("prune", () => this.#store.prune(before));
  }

  async #travel<T>(name: string, operation: () => Promise<T>): Promise<T> {
    await this.#script.gate?.(`before ${name}`);
    if (this.#script.delay !== undefined) await this.#time.sleep(this.#script.delay());
    try {
      return await operation();
    } finally {
      if (this.#script.delay !== undefined) await this.#time.sleep(this.#script.delay());
      await this.#script.gate?.(`after ${name}`);
    }
  }
}
