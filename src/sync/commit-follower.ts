import type { Timers } from "../engine/commit/ports.ts";
import { OutOfRetentionError } from "../engine/persistence.ts";
import type { CommitPush } from "../protocol/sync-calls.ts";
import type { Log } from "../shared/log.ts";
import { Coalesced } from "./coalesced.ts";
import type { CommitHistory } from "./ports.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** Transactions read from the commit log at once. */
const LOG_PAGE = 500;

/** After the database could not be read. */
const RETRY_MS = 500;

interface FollowerParts<Member> {
  readonly subscriptions: Subscriptions<Member>;
  readonly history: CommitHistory;
  readonly timers: Timers;
  readonly log: Log;
  /** Told whose queries are stale by now. */
  readonly stale: (members: ReadonlySet<Member>) => void;
  /** Told after commits were applied. */
  readonly advanced: () => void;
}

/**
 * Applies every commit to the subscriptions, once and in order: as it is pushed, or from the commit log where a push
 * does not follow on what is known.
 */
export class CommitFollower<Member> {
  readonly #parts: FollowerParts<Member>;
  readonly #refresh = new Coalesced(() => this.#catchUp());

  constructor(parts: FollowerParts<Member>) {
    this.#parts = parts;
  }

  /** The newest commit that has been applied. */
  get ts(): number | null {
    return this.#parts.subscriptions.ts;
  }

  committed(push: CommitPush): void {
    const { ts } = this;
    // Whoever needs it will read the head first.
    if (ts === null) return;
    if (push.transactions === null || push.previous > ts) this.refreshSoon();
    else this.#apply(push.transactions);
  }

  /** Everything committed before this call has been applied when it resolves. */
  refresh(): Promise<void> {
    return this.#refresh.run();
  }

  refreshSoon(): void {
    this.refresh().catch((error: unknown) => {
      this.#parts.log.warn("sync.catchUp", { reason: String(error) });
      this.#parts.timers.after(RETRY_MS, () => this.refreshSoon());
    });
  }

  async #catchUp(): Promise<void> {
    const { history, subscriptions, stale } = this.#parts;
    const head = await history.head();
    if (this.ts === null) {
      subscriptions.start(head);
      return;
    }
    try {
      while ((this.ts ?? 0) < head) {
        // oxlint-disable-next-line no-await-in-loop -- the next page begins where this one ends
        const page = await history.log(this.ts ?? 0, LOG_PAGE);
        if (page.length === 0) break;
        this.#apply(page);
      }
    } catch (error) {
      if (!(error instanceof OutOfRetentionError)) throw error;
    }
    // What came in between is not in the log any more.
    if ((this.ts ?? 0) < head) stale(subscriptions.restart(head));
  }

  #apply(transactions: NonNullable<CommitPush["transactions"]>): void {
    this.#parts.stale(this.#parts.subscriptions.apply(transactions));
    this.#parts.advanced();
  }
}
