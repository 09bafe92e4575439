import type { FollowedLog } from "../../engine/followed-log.ts";
import type { LoggedTransaction } from "../../engine/persistence.ts";
import { IntervalSet } from "../../engine/interval-set.ts";
import type { ReadSet } from "../../engine/read-set.ts";
import { ReadSetIndex } from "../../engine/read-set-index.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import type { FunctionCall, FunctionOutcome } from "../../protocol/execution.ts";
import type { Observed } from "../../protocol/invocation.ts";

/** How long the result of a query that looked at the clock is served (`abi.md` §5.2 allows a little more). */
export const CLOCK_RESULT_MS = 5_000;

/** Objects and map slots of an entry, in bytes, roughly. */
const ENTRY_OVERHEAD = 600;
const INTERVAL_OVERHEAD = 200;

/** What tells two calls apart, besides who calls. */
export interface QueryKey {
  /** Function, visibility, journal and arguments. */
  readonly call: string;
  /** What `getUserIdentity` answers. */
  readonly identity: string;
}

/** A finished run on its way into the cache. */
export interface QueryRun {
  readonly outcome: FunctionOutcome;
  readonly readSet: ReadSet;
  readonly readsIdentity: boolean;
  readonly observed: Observed;
  /** The snapshot that was read. */
  readonly ts: Timestamp;
  readonly catalogTs: Timestamp;
  /** Milliseconds. */
  readonly startedAt: number;
}

export interface CachedQuery extends QueryRun {
  readonly key: string;
  readonly bytes: number;
  /** Since the last round of evictions. */
  used: boolean;
}

/**
 * Results of queries that nothing has invalidated, as of the head of a followed log: whatever is in here holds at
 * every timestamp from its own to `head.ts`. Pure; `ReadMemory` keeps it up to date.
 */
export class QueryCache {
  readonly #maxBytes: number;
  readonly #entries = new Map<string, CachedQuery>();
  readonly #index = new ReadSetIndex<CachedQuery>();
  readonly #log: FollowedLog;
  #bytes = 0;

  constructor(maxBytes: number, log: FollowedLog) {
    this.#maxBytes = maxBytes;
    this.#log = log;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The result for this caller, which may be stale if the head has moved. */
  find({ call, identity }: QueryKey, now: number): CachedQuery | null {
    const entry = this.#entries.get(call) ?? this.#entries.get(personal(call, identity));
    if (entry === undefined) return null;
    if (entry.observed.time && now - entry.startedAt > CLOCK_RESULT_MS) {
      this.#remove(entry);
      return null;
    }
    entry.used = true;
    return entry;
  }

  store(key: QueryKey, run: QueryRun): void {
    if (!run.outcome.ok || run.observed.randomness) return;
    if (run.catalogTs !== this.#log.head?.catalogTs || this.#writtenSince(run.ts, run.readSet)) return;
    const text = run.readsIdentity ? personal(key.call, key.identity) : key.call;
    const bytes = entryBytes(text, run);
    if (bytes > this.#maxBytes / 8) return;
    const present = this.#entries.get(text);
    if (present !== undefined) {
      if (present.ts >= run.ts) return;
      this.#remove(present);
    }
    const entry: CachedQuery = { ...run, key: text, bytes, used: false };
    this.#entries.set(text, entry);
    this.#index.add(run.readSet, entry);
    this.#bytes += bytes;
    this.#evict();
  }

  /** What `FollowedLog.advance` returned. */
  apply(news: readonly LoggedTransaction[] | null): void {
    if (news === null) {
      for (const entry of this.#entries.values()) this.#index.remove(entry.readSet, entry);
      this.#entries.clear();
      this.#bytes = 0;
      return;
    }
    const stale = new Set<CachedQuery>();
    for (const { ts, keys } of news) {
      for (const [ref, key] of keys) {
        this.#index.hit(ref, key, (entry) => {
          if (entry.ts < ts) stale.add(entry);
        });
      }
    }
    for (const entry of stale) this.#remove(entry);
  }

  #writtenSince(ts: Timestamp, reads: ReadSet): boolean {
    const { head } = this.#log;
    if (head === null || ts >= head.ts) return false;
    const sets = new Map([...reads].map(([ref, intervals]) => [ref, IntervalSet.of(intervals)]));
    return this.#log.writtenSince(ts, (ref, key) => sets.get(ref)?.contains(key) === true);
  }

  /** Oldest first; what was used since it was last looked at gets another round. Frees an eighth at a time. */
  #evict(): void {
    if (this.#bytes <= this.#maxBytes) return;
    for (const entry of this.#entries.values()) {
      if (this.#bytes <= (this.#maxBytes / 8) * 7) return;
      if (entry.used) {
        entry.used = false;
        this.#entries.delete(entry.key);
        this.#entries.set(entry.key, entry);
      } else {
        this.#remove(entry);
      }
    }
  }

  #remove(entry: CachedQuery): void {
    if (!this.#entries.delete(entry.key)) return;
    this.#index.remove(entry.readSet, entry);
    this.#bytes -= entry.bytes;
  }
}

/** What a call is known by. Each part ends by itself, so no two calls and no call and its caller are taken for another. */
export function callText({ path, args, visibility }: FunctionCall, journal: string | null): string {
  return JSON.stringify([path.component, path.module, path.function, visibility, journal]) + args;
}

function personal(call: string, identity: string): string {
  return `${call}\u0000${identity}`;
}

function entryBytes(key: string, { outcome, readSet }: QueryRun): number {
  let bytes = ENTRY_OVERHEAD + 2 * key.length;
  if (outcome.ok) bytes += 2 * outcome.value.length;
  for (const { messages } of outcome.logLines) for (const message of messages) bytes += 2 * message.length + 100;
  for (const intervals of readSet.values()) {
    for (const { start, end } of intervals) bytes += INTERVAL_OVERHEAD + start.length + (end?.length ?? 0);
  }
  return bytes;
}
