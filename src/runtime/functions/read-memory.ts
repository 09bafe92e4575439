import type { FollowedLog } from "../../engine/followed-log.ts";
import type { Head, Persistence, RangePage, Read, StoredDocument } from "../../engine/persistence.ts";
import type { RowCache } from "../../engine/row-cache.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import type { Clock } from "../../shared/clock.ts";
import type { CachedQuery, QueryCache, QueryKey, QueryRun } from "./query-cache.ts";

/** A look that takes longer went away with its request, or D1 stalls: queries then run as if nothing were cached. */
const STALLED_MS = 2_000;

export interface ReadMemoryParts {
  readonly persistence: Pick<Persistence, "follow">;
  readonly log: FollowedLog;
  /** `null`: results are not kept. */
  readonly queries: QueryCache | null;
  /** `null`: rows are not kept. */
  readonly rows: RowCache | null;
  readonly clock: Clock;
  /** Lets work end after the answer of the request that is running now, even if its client hangs up. */
  readonly keepAlive: (work: Promise<void>) => void;
}

/**
 * How long a look waits for more questions when the last one, or itself, is shared: it costs as much as a small query.
 * Nobody who is alone waits. Longer waits gather little more and leave the processor idle (`bench/RESULTS.md`).
 */
const GATHER_MS = 1;

/** Least time between looks that nobody waits for. */
const CATCH_UP_MS = 25;

/** One look at the head and the log. `done` resolves to whether it came about. */
interface Look {
  /** Milliseconds: when it was asked for, then when it began. */
  since: number;
  questions: number;
  readonly done: Promise<boolean>;
  readonly settle: (came: boolean) => void;
}

type Result = StoredDocument | RangePage | null;

/**
 * What was read before and holds now, results of queries and rows: never older than what was acknowledged before the
 * question. The database alone decides, in one look at its log per question; questions that come while a look is under
 * way share the next one.
 *
 * ```
 *   look 1 ────────┤
 *      │ question a        its look must begin after it
 *      │    question b
 *                  look 2 ────────┤ a and b are answered
 * ```
 *
 * A look belongs to the request that began it, and the others wait for it across requests: so it is kept alive, and
 * nobody waits for one that shows no end.
 */
export class ReadMemory {
  readonly #parts: ReadMemoryParts;
  #running: Look | null = null;
  /** Asked for, not begun. */
  #next: Look | null = null;
  #lookedAt = 0;

  constructor(parts: ReadMemoryParts) {
    this.#parts = parts;
  }

  /** The newest head known: what `rows` answers is of this snapshot. */
  get head(): Head | null {
    return this.#parts.log.head;
  }

  /** A result that holds at `at`, or now. `null`: run the query. */
  async query(
    key: QueryKey,
    at: Timestamp | null,
  ): Promise<{ readonly query: CachedQuery; readonly ts: Timestamp } | null> {
    const { queries, log, clock } = this.#parts;
    if (queries === null || queries.find(key, clock.now()) === null) return null;
    const known = log.head;
    if (at === null || known === null || at > known.ts) {
      if (!(await this.refresh())) return null;
    }
    const query = queries.find(key, clock.now());
    const { head } = log;
    if (query === null || head === null) return null;
    if (at === null) return { query, ts: later(query.ts, head.ts) };
    return query.ts <= at && at <= head.ts ? { query, ts: at } : null;
  }

  /** `head`: what the run's snapshot was taken from. */
  store(key: QueryKey, run: QueryRun, head: Head): void {
    this.#parts.log.begin(head);
    this.#parts.queries?.store(key, run);
  }

  /** Rows at `head`, `undefined` when not all of them are known. */
  rows(reads: readonly Read[]): readonly Result[] | undefined {
    return this.#parts.rows?.read(reads);
  }

  /** Rows that storage showed at the snapshot `ts`, and the head that came with them. */
  fill(reads: readonly Read[], results: readonly Result[], ts: Timestamp, head: Head): void {
    const { rows, log, clock, keepAlive } = this.#parts;
    if (rows === null || reads.length === 0) return;
    log.begin(head);
    rows.fill(reads, results, ts);
    if (log.head === null || ts <= log.head.ts) return;
    // Ahead of what is known. Seldom enough, somebody catches up, or nothing would ever be kept under writes.
    if (clock.now() - this.#lookedAt < CATCH_UP_MS) return;
    keepAlive(
      this.refresh().then((came) => {
        if (came) rows.fill(reads, results, ts);
      }),
    );
  }

  /** A look that begins from now on has told the cache everything. False: it failed, or takes too long. */
  refresh(): Promise<boolean> {
    const now = this.#parts.clock.now();
    let look = this.#next;
    if (look === null || now - look.since > STALLED_MS) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      look = { since: now, questions: 1, done: promise, settle: resolve };
      this.#next = look;
      this.#parts.keepAlive(this.#lead(look));
      return look.done;
    }
    look.questions += 1;
    // One of those who wait for another's look sees to it that all of them go on, should it never end.
    return look.questions === 2 ? within(look, STALLED_MS) : look.done;
  }

  async #lead(look: Look): Promise<void> {
    const { persistence, log, queries, rows, clock } = this.#parts;
    const before = this.#running;
    const left = before === null ? 0 : STALLED_MS - (clock.now() - before.since);
    if (before !== null && left > 0) {
      await within(before, left);
      if (before.questions > 1 || look.questions > 1) await pause(GATHER_MS);
    }
    if (this.#next === look) this.#next = null;
    const known = log.head;
    if (known === null) {
      look.settle(false);
      return;
    }
    this.#lookedAt = look.since = clock.now();
    this.#running = look;
    try {
      const news = log.advance(known, await persistence.follow(known));
      queries?.apply(news);
      rows?.apply(news);
      look.settle(true);
    } catch {
      // The query runs, and says what is wrong with the database.
      look.settle(false);
    } finally {
      if (this.#running === look) this.#running = null;
    }
  }
}

function later(a: Timestamp, b: Timestamp): Timestamp {
  return a > b ? a : b;
}

async function within(look: Look, ms: number): Promise<boolean> {
  const timer = setTimeout(() => look.settle(false), ms);
  try {
    return await look.done;
  } finally {
    clearTimeout(timer);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
