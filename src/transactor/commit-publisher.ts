import type { LoggedTransaction } from "../engine/persistence.ts";
import type { Timers } from "../engine/commit/ports.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import { type CommitPush, parseVersioned, type PushAnswer } from "../protocol/sync-calls.ts";
import type { Log } from "../shared/log.ts";

/** An object that wants to know what was committed. */
export interface CommitSubscriber {
  /** A `CommitPush`, answered with a `PushAnswer`. */
  committed(pushJson: string): Promise<string>;
}

export interface CommitPublisherParts {
  readonly shards: number;
  /** Makes a new one: one that threw is dead. */
  readonly subscriber: (shard: number) => CommitSubscriber;
  readonly timers: Timers;
  readonly log: Log;
}

/** Keys waiting for one slow shard beyond which it is sent to the commit log instead. */
const MAX_WAITING_KEYS = 20_000;

/** A push that is not answered for this long is given up: the shard sees the gap and catches up by itself. */
const PUSH_TIMEOUT_MS = 10_000;

/**
 * Tells every Sync object what was committed, in order, one push at a time to each. Nobody waits for a slow one: what
 * comes meanwhile goes with its next push, and what is lost on the way it notices by `previous` and reads from the
 * commit log. A new Transactor takes all of them for listening until they say otherwise.
 */
export class CommitPublisher {
  readonly #shards: readonly ShardQueue[];

  constructor(parts: CommitPublisherParts) {
    this.#shards = Array.from({ length: parts.shards }, (_, shard) => new ShardQueue(shard, parts));
  }

  publish(transactions: readonly LoggedTransaction[], previous: Timestamp): void {
    for (const shard of this.#shards) shard.add(transactions, previous);
  }

  /** The shard has sockets from now on. */
  listen(shard: number): void {
    this.#shards[shard]?.listen();
  }
}

interface Waiting {
  readonly previous: Timestamp;
  transactions: LoggedTransaction[] | null;
  keys: number;
  ts: Timestamp;
}

class ShardQueue {
  readonly #shard: number;
  readonly #parts: CommitPublisherParts;
  #waiting: Waiting | null = null;
  #sending = false;
  #listening = true;
  /** Counts `listen`, so that an answer from before does not end what was asked for since. */
  #asked = 0;

  constructor(shard: number, parts: CommitPublisherParts) {
    this.#shard = shard;
    this.#parts = parts;
  }

  listen(): void {
    this.#listening = true;
    this.#asked += 1;
  }

  add(transactions: readonly LoggedTransaction[], previous: Timestamp): void {
    const last = transactions.at(-1);
    if (!this.#listening || last === undefined) return;
    this.#waiting ??= { previous, transactions: [], keys: 0, ts: last.ts };
    const waiting = this.#waiting;
    waiting.ts = last.ts;
    for (const { keys } of transactions) waiting.keys += keys.length + 1;
    if (waiting.keys > MAX_WAITING_KEYS) waiting.transactions = null;
    waiting.transactions?.push(...transactions);
    if (!this.#sending) void this.#send();
  }

  async #send(): Promise<void> {
    this.#sending = true;
    // The mutations that were just made durable are answered first: clients should have the answer before the news.
    await new Promise<void>((resolve) => this.#parts.timers.after(0, resolve));
    while (this.#waiting !== null) {
      const { previous, transactions, ts } = this.#waiting;
      this.#waiting = null;
      const push: CommitPush = { v: 1, previous, transactions, ts };
      const asked = this.#asked;
      try {
        const answer = await this.#push(JSON.stringify(push));
        if (!answer.listening && asked === this.#asked) {
          this.#listening = false;
          this.#waiting = null;
        }
      } catch (error) {
        this.#parts.log.warn("transactor.push", { shard: this.#shard, reason: String(error) });
      }
    }
    this.#sending = false;
  }

  async #push(text: string): Promise<PushAnswer> {
    const { timers, subscriber } = this.#parts;
    const timeout = Promise.withResolvers<never>();
    const cancel = timers.after(PUSH_TIMEOUT_MS, () => timeout.reject(new Error("no answer")));
    try {
      return parseVersioned<PushAnswer>(await Promise.race([subscriber(this.#shard).committed(text), timeout.promise]));
    } finally {
      cancel();
    }
  }
}
