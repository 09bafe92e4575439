import type { DerivedIndex, FollowState } from "../../engine/derived-index.ts";
import type { InternalId, TableId } from "../../engine/names.ts";
import { OutOfRetentionError, type Persistence } from "../../engine/persistence.ts";
import { tableRef } from "../../engine/read-set.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import type { Clock } from "../../shared/clock.ts";

/** Transactions per read of the log. */
const LOG_PAGE = 256;

/** Documents per read: a document may have 1 MiB, and its JSON more. */
const DOCUMENTS = 24;
/** A read of fewer bytes lets the next one ask for twice as many documents. */
const SMALL_BYTES = 1024 * 1024;
const MOST_DOCUMENTS = 384;

/** Log key of the first transaction of every writer. */
const WRITER = "writer";

const WALK_DOCUMENTS = 512;
const WALK_BYTES = 8 * 1024 * 1024;

export interface FollowerParts {
  readonly persistence: Pick<Persistence, "read" | "log">;
  readonly index: DerivedIndex;
  readonly tableId: TableId;
  readonly clock: Clock;
  /** Called between steps of long work. */
  readonly pause: () => Promise<void>;
}

/**
 * Keeps a derived index up to date with the documents of its table: reads them all once, a batch at a time, and from
 * then on what the commit log names. Whoever searches waits until the index has seen the newest commit.
 *
 *   no state ─► walk (log after every batch) ─► complete ─► log … ─► log
 *                 ▲                                └─ the log is gone ─┘ walk again, over what is there
 */
export class Follower {
  readonly #parts: FollowerParts;
  /** One piece of work at a time. */
  #running: Promise<unknown> = Promise.resolve();
  /** Searches that have asked for the newest commit, and how many of them a catching-up has served. */
  #asked = 0;
  #served = 0;
  #open = false;
  /** False while the index may hold parts of transactions after its timestamp. */
  #whole = false;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  get state(): FollowState | null {
    return this.#parts.index.state;
  }

  /** Runs `body` when the index is complete and at `ts` or later, and nothing else can change it. */
  at<T>(ts: Timestamp | "latest", body: (at: Timestamp) => T): Promise<T> {
    const ticket = ts === "latest" ? ++this.#asked : 0;
    return this.#exclusively(async () => {
      await this.#opened();
      if (!this.#satisfies(ts, ticket)) {
        // Everybody who has asked by now is served by this reading of the log.
        const asked = this.#asked;
        while (!(await this.#step())) await this.#parts.pause();
        this.#served = asked;
      }
      return body(this.#followed().ts);
    });
  }

  /** Works for about `budgetMs`. True: the index is complete and has seen the newest commit. */
  advance(budgetMs: number): Promise<boolean> {
    return this.#exclusively(async () => {
      await this.#opened();
      const deadline = this.#parts.clock.now() + budgetMs;
      while (!(await this.#step())) {
        if (this.#parts.clock.now() >= deadline) return false;
        await this.#parts.pause();
      }
      return true;
    });
  }

  #satisfies(ts: Timestamp | "latest", ticket: number): boolean {
    const { state } = this;
    if (!this.#whole || state === null || state.cursor !== null) return false;
    return ts === "latest" ? this.#served >= ticket : state.ts >= ts;
  }

  async #opened(): Promise<void> {
    if (this.#open) return;
    await this.#parts.index.open();
    this.#open = true;
  }

  /** True: nothing is left to do. */
  async #step(): Promise<boolean> {
    this.#whole = false;
    const state = this.state ?? (await this.#start());
    try {
      await this.#readLog(state);
    } catch (error) {
      if (!(error instanceof OutOfRetentionError)) throw error;
      // What changed meanwhile is not known: every document is looked at.
      await this.#start();
      return false;
    }
    const { state: followed } = this;
    if (followed !== null && followed.cursor !== null) {
      await this.#walk(followed.cursor);
      return false;
    }
    this.#whole = true;
    return true;
  }

  async #start(): Promise<FollowState> {
    const { head } = await this.#parts.persistence.read([], "latest");
    const state = { ts: head.ts, cursor: "" };
    this.#parts.index.apply([], state);
    return state;
  }

  async #walk(cursor: string): Promise<void> {
    const { persistence, index, tableId } = this.#parts;
    // All ids have the same length, so a longer bound lies between this id and the next.
    const start = cursor === "" ? "" : `${cursor}00`;
    const { results } = await persistence.read(
      [
        {
          kind: "range",
          tableId,
          index: "by_id",
          interval: { start, end: null },
          order: "asc",
          limit: WALK_DOCUMENTS,
          maxBytes: WALK_BYTES,
        },
      ],
      "latest",
    );
    const { rows, more } = results[0];
    const last = rows.at(-1)?.key;
    const done = !more || last === undefined;
    const documents = rows.map(({ key, document }) => ({ id: key as string as InternalId, document }));
    const { ts, newest: before } = this.#followed();
    let newest = before;
    for (const { id, document } of documents) {
      if (document.ts >= (newest?.version ?? 0)) newest = { id, version: document.ts };
    }
    // Documents of the batch may be newer than what the log was read to: the next step reads on.
    index.replace({ start, end: done ? null : `${last}00` }, documents, {
      ts,
      cursor: done ? null : last,
      ...(newest === undefined ? {} : { newest }),
    });
  }

  /** To the end of the log. */
  async #readLog({ ts: from }: FollowState): Promise<void> {
    const { persistence, index, tableId } = this.#parts;
    const table = tableRef(tableId);
    let after = from;
    for (;;) {
      const log = await persistence.log(after, LOG_PAGE);
      const last = log.at(-1);
      if (last === undefined) return;
      const ids = new Set<InternalId>();
      for (const { keys } of log) {
        for (const [ref, key] of keys) if (ref === table) ids.add(key as string as InternalId);
      }
      if (log.some(({ keys }) => keys.some(([ref]) => ref === WRITER))) await this.#verify();
      await this.#applyDocuments([...ids], last.ts);
      index.apply([], { ...this.#followed(), ts: last.ts });
      after = last.ts;
      if (log.length < LOG_PAGE) return;
    }
  }

  /** As they were at `at`, in small steps. */
  async #applyDocuments(ids: readonly InternalId[], at: Timestamp): Promise<void> {
    const { persistence, index, tableId } = this.#parts;
    let size = DOCUMENTS;
    for (let start = 0; start < ids.length;) {
      const chunk = ids.slice(start, start + size);
      const { results } = await persistence.read(
        chunk.map((id) => ({ kind: "get" as const, tableId, id })),
        at,
      );
      const changes = chunk.map((id, position) => ({ id, document: results[position] ?? null }));
      const newest = changes.map(({ id, document }) => ({ id, version: document?.ts ?? null })).at(-1);
      index.apply(changes, { ...this.#followed(), ...(newest === undefined ? {} : { newest }) });
      start += chunk.length;
      const bytes = results.reduce((sum, document) => sum + (document?.size ?? 0), 0);
      size = bytes < SMALL_BYTES ? Math.min(size * 2, MOST_DOCUMENTS) : DOCUMENTS;
    }
  }

  /**
   * A new writer may have been called for by a database that was taken back in time. Then the newest change that was
   * followed is not in it, and every document has to be looked at.
   */
  async #verify(): Promise<void> {
    const { ts, newest } = this.#followed();
    if (newest === undefined) return;
    const { persistence, tableId } = this.#parts;
    const { results } = await persistence.read([{ kind: "get", tableId, id: newest.id }], ts);
    if ((results[0]?.ts ?? null) !== newest.version) throw new OutOfRetentionError("The database is an older one");
  }

  #followed(): FollowState {
    const { state } = this;
    if (state === null) throw new Error("The index lost its state");
    return state;
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#running.then(work);
    this.#running = result.catch(() => {
      // What the index holds in memory may have gone ahead of what it stored.
      this.#open = false;
    });
    return result;
  }
}
