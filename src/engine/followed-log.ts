import type { IndexKey } from "./names.ts";
import type { Head, HeadProgress, IndexRef, LoggedTransaction } from "./persistence.ts";
import type { Timestamp } from "./timestamp.ts";

/** Keys of recent commits, for what was read before them and is put away after. */
const RECENT_KEYS = 20_000;

/**
 * How far somebody who keeps what was read has followed the commit log, and the commits just before that. Pure: told
 * by whoever looks at the database.
 */
export class FollowedLog {
  #head: Head | null = null;
  /** Every transaction after `#floor`, oldest first. */
  #recent: LoggedTransaction[] = [];
  #recentKeys = 0;
  #floor = 0;

  /** The newest head known, `null` before the first. */
  get head(): Head | null {
    return this.#head;
  }

  /** The first head, found in passing. Later ones are reached by following the log. */
  begin(head: Head): void {
    if (this.#head === null) this.#restart(head);
  }

  /**
   * What became of the database since `since`, which was `this.head` when somebody went to look. Returns what is new,
   * oldest first, or `null` when nothing that was read before can be trusted any more.
   */
  advance(since: Head, { head, transactions }: HeadProgress): readonly LoggedTransaction[] | null {
    const known = this.#head;
    if (
      known === null ||
      transactions === null ||
      since.ts > known.ts ||
      head.ts < known.ts ||
      head.catalogTs !== known.catalogTs
    ) {
      this.#restart(head);
      return null;
    }
    this.#head = head;
    const news = transactions.filter(({ ts }) => ts > known.ts);
    for (const transaction of news) {
      this.#recent.push(transaction);
      this.#recentKeys += transaction.keys.length + 1;
    }
    this.#trim();
    return news;
  }

  /** Whether a key that `matches` was written after `ts`. True also when nobody knows any more. */
  writtenSince(ts: Timestamp, matches: (ref: IndexRef, key: IndexKey) => boolean): boolean {
    if (this.#head === null || ts >= this.#head.ts) return false;
    if (ts < this.#floor) return true;
    for (let i = this.#recent.length - 1; i >= 0; i--) {
      const transaction = this.#recent[i];
      if (transaction === undefined || transaction.ts <= ts) return false;
      if (transaction.keys.some(([ref, key]) => matches(ref, key))) return true;
    }
    return false;
  }

  #restart(head: Head): void {
    this.#head = head;
    this.#recent = [];
    this.#recentKeys = 0;
    this.#floor = head.ts;
  }

  #trim(): void {
    let gone = 0;
    while (this.#recentKeys > RECENT_KEYS) {
      const oldest = this.#recent[gone];
      if (oldest === undefined) break;
      this.#recentKeys -= oldest.keys.length + 1;
      this.#floor = oldest.ts;
      gone++;
    }
    if (gone > 0) this.#recent.splice(0, gone);
  }
}
