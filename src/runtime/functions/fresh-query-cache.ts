import type { Head, Persistence } from "../../engine/persistence.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import type { Clock } from "../../shared/clock.ts";
import type { CachedQuery, QueryCache, QueryKey, QueryRun } from "./query-cache.ts";

/** A look that takes longer went away with its request, or D1 stalls: queries then run as if nothing were cached. */
const STALLED_MS = 2_000;

export interface FreshQueryCacheParts {
  readonly persistence: Pick<Persistence, "follow">;
  readonly cache: QueryCache;
  readonly clock: Clock;
  /** Lets work end after the answer of the request that is running now, even if its client hangs up. */
  readonly keepAlive: (work: Promise<void>) => void;
}

/**
 * How long a look waits for more questions once several shared the last one: each costs the database as much as a
 * small query. Nobody who is alone waits.
 */
const GATHER_MS = 2;

/** One look at the head and the log. `done` resolves to whether it came about. */
interface Look {
  /** Milliseconds: when it was asked for, then when it began. */
  since: number;
  questions: number;
  readonly done: Promise<boolean>;
  readonly settle: (came: boolean) => void;
}

/**
 * Results that hold now: never older than what was acknowledged before the question. The database alone decides, in
 * one look at its log per question; questions that come while a look is under way share the next one.
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
export class FreshQueryCache {
  readonly #parts: FreshQueryCacheParts;
  #running: Look | null = null;
  /** Asked for, not begun. */
  #next: Look | null = null;

  constructor(parts: FreshQueryCacheParts) {
    this.#parts = parts;
  }

  /** A result that holds at `at`, or now. `null`: run the query. */
  async find(
    key: QueryKey,
    at: Timestamp | null,
  ): Promise<{ readonly query: CachedQuery; readonly ts: Timestamp } | null> {
    const { cache, clock } = this.#parts;
    if (cache.find(key, clock.now()) === null) return null;
    const known = cache.head;
    if (at === null || known === null || at > known.ts) {
      if (!(await this.#look())) return null;
    }
    const query = cache.find(key, clock.now());
    const head = cache.head;
    if (query === null || head === null) return null;
    if (at === null) return { query, ts: later(query.ts, head.ts) };
    return query.ts <= at && at <= head.ts ? { query, ts: at } : null;
  }

  store(key: QueryKey, run: QueryRun, head: Head): void {
    this.#parts.cache.store(key, run, head);
  }

  /** A look that begins from now on has told the cache everything. False: it failed, or takes too long. */
  #look(): Promise<boolean> {
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
    const { persistence, cache, clock } = this.#parts;
    const before = this.#running;
    const left = before === null ? 0 : STALLED_MS - (clock.now() - before.since);
    if (before !== null && left > 0) {
      await within(before, left);
      if (before.questions > 1 || look.questions > 1) await pause(GATHER_MS);
    }
    if (this.#next === look) this.#next = null;
    const known = cache.head;
    if (known === null) {
      look.settle(false);
      return;
    }
    look.since = clock.now();
    this.#running = look;
    try {
      const progress = await persistence.follow(known);
      cache.advance(known, progress);
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
