import type { Head, RangePage, Read, StoredDocument } from "../../engine/persistence.ts";
import { must } from "../../shared/assert.ts";
import type { Timers } from "./timers.ts";

/** A question waits for the read that is under way, at most this many milliseconds: nobody who is alone waits. */
const GATHER_MS = 5;

/** Of one round trip, for the memory that its answer takes. */
const MAX_ROWS = 100;

/** A round trip that takes longer went away with the request that made it, or D1 stalls: who shared it asks alone. */
const STALLED_MS = 2_000;

export interface Answer {
  readonly head: Head;
  readonly results: readonly (StoredDocument | RangePage | null)[];
}

export interface GatheredReadsParts {
  /** One round trip, at the newest snapshot. */
  readonly send: (reads: readonly Read[]) => Promise<Answer>;
  readonly timers: Timers;
  /** Lets a round trip that others wait for end after the request that makes it. */
  readonly keepAlive: (work: Promise<unknown>) => void;
}

/** Questions that share a round trip. */
interface Gathering {
  readonly reads: Read[];
  rows: number;
  questions: number;
  /** `null`: it failed, or never ends, for more than one question. */
  readonly done: Promise<Answer | null>;
  readonly settle: (answer: Answer | null) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Reads of many requests in one round trip: what surrounds a read costs an isolate more than the read. A question that
 * comes while one is under way waits for the next; so what it is answered was read after it was asked.
 *
 * ```
 *   round trip 1 ──┤
 *      │ question a
 *      │    question b
 *                  round trip 2 ──┤ a and b are answered
 * ```
 */
export class GatheredReads {
  readonly #parts: GatheredReadsParts;
  #running: Promise<unknown> | null = null;
  /** Not sent yet. */
  #next: Gathering | null = null;

  constructor(parts: GatheredReadsParts) {
    this.#parts = parts;
  }

  async read(reads: readonly Read[]): Promise<Answer> {
    const { send } = this.#parts;
    const rows = rowsOf(reads);
    if (rows > MAX_ROWS) return send(reads);
    if (this.#running === null) return this.#track(send(reads));
    const gathering = this.#join(rows);
    const first = gathering.reads.length;
    gathering.reads.push(...reads);
    const answer = await gathering.done;
    if (answer === null) return send(reads);
    return { head: answer.head, results: answer.results.slice(first, first + reads.length) };
  }

  #join(rows: number): Gathering {
    const open = this.#next;
    if (open !== null && open.rows + rows <= MAX_ROWS) {
      open.rows += rows;
      open.questions += 1;
      // One of those who wait for another's round trip sees to it that all of them go on, should it never end.
      if (open.questions === 2) this.#giveUpLater(open);
      return open;
    }
    const { promise, resolve, reject } = Promise.withResolvers<Answer | null>();
    const gathering: Gathering = { reads: [], rows, questions: 1, done: promise, settle: resolve, fail: reject };
    this.#next = gathering;
    this.#parts.keepAlive(this.#lead(gathering));
    return gathering;
  }

  async #lead(gathering: Gathering): Promise<void> {
    await this.#ended(must(this.#running, "a round trip that is under way"));
    if (this.#next === gathering) this.#next = null;
    try {
      gathering.settle(await this.#track(this.#parts.send(gathering.reads)));
    } catch (error) {
      // Those who shared it ask alone: it may have failed for what only one of them wanted.
      if (gathering.questions > 1) gathering.settle(null);
      else gathering.fail(error);
    }
  }

  /** The one that began last is the one that is under way. */
  async #track<T>(roundTrip: Promise<T>): Promise<T> {
    this.#running = roundTrip;
    try {
      return await roundTrip;
    } finally {
      if (this.#running === roundTrip) this.#running = null;
    }
  }

  async #ended(roundTrip: Promise<unknown>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#parts.timers.after(GATHER_MS, resolve);
    const end = (): void => resolve();
    roundTrip.then(end, end);
    await promise;
    cancel();
  }

  #giveUpLater(gathering: Gathering): void {
    const cancel = this.#parts.timers.after(STALLED_MS, () => {
      // Its request may have gone before it was sent: nobody joins it any more.
      if (this.#next === gathering) this.#next = null;
      gathering.settle(null);
    });
    void gathering.done.then(cancel);
  }
}

function rowsOf(reads: readonly Read[]): number {
  return reads.reduce((sum, read) => sum + (read.kind === "get" ? 1 : read.limit), 0);
}
