import { IntervalSet } from "../engine/interval-set.ts";
import type { PushedTransaction } from "../protocol/sync-calls.ts";
import { IntervalIndex } from "../engine/interval-index.ts";
import {
  type QueryAudience,
  type QueryCall,
  type QueryVersion,
  type Reads,
  SubscribedQuery,
} from "./subscribed-query.ts";

/** Functions known to ask who is calling, at most this many; more are learnt again. */
const REMEMBERED_FUNCTIONS = 10_000;

/** Keys of commits kept for queries that are running; a run that takes longer than they last is repeated. */
const RECENT_KEYS = 50_000;

/**
 * The distinct queries of a shard and what makes them stale. Commits are applied in order, each once; the cost of one
 * depends on its keys and on what it hits, not on how many queries there are.
 */
export class Subscriptions<Member> {
  #nextId = 1;
  /** By call, journal and audience. */
  readonly #exact = new Map<string, SubscribedQuery<Member>>();
  /** By call, journal and visibility: those that anybody may share, as far as is known. */
  readonly #shared = new Map<string, SubscribedQuery<Member>>();
  readonly #identityReaders = new Set<string>();
  readonly #indexes = new Map<string, IntervalIndex<SubscribedQuery<Member>>>();
  readonly #queries = new Set<SubscribedQuery<Member>>();
  /** Commits that came while queries were running, oldest first, complete after `#recentFloor`. */
  #recent: PushedTransaction[] = [];
  #recentKeys = 0;
  #recentFloor = 0;
  #ts: number | null = null;

  /** Everything committed up to here has been applied. Null: nothing is known yet. */
  get ts(): number | null {
    return this.#ts;
  }

  get size(): number {
    return this.#queries.size;
  }

  queries(): Iterable<SubscribedQuery<Member>> {
    return this.#queries;
  }

  /** Begins at this timestamp; before, there must be no results. */
  start(ts: number): void {
    this.#ts = ts;
    this.#recentFloor = ts;
  }

  /** Joins the query that this caller may share, or makes one. */
  join(call: QueryCall, audience: QueryAudience, journal: string | null, member: Member): SubscribedQuery<Member> {
    const common = sharedKey(call, audience, journal);
    const query =
      this.#exact.get(exactKey(common, audience)) ?? this.#shared.get(common) ?? this.#add(call, audience, journal);
    query.members.add(member);
    return query;
  }

  /** A query that was subscribed to when the object's memory was lost. */
  restore(
    id: number,
    call: QueryCall,
    audience: QueryAudience,
    journal: string | null,
    version: QueryVersion | null,
  ): SubscribedQuery<Member> {
    this.#nextId = Math.max(this.#nextId, id + 1);
    const query = new SubscribedQuery<Member>(id, call, audience, journal);
    this.#queries.add(query);
    query.current = version;
    if (version !== null) this.#watch(query, [], version.reads);
    this.#register(query);
    return query;
  }

  leave(query: SubscribedQuery<Member>, member: Member): void {
    query.members.delete(member);
    if (query.members.size === 0) this.drop(query);
  }

  /** Nobody subscribes to it any more. */
  drop(query: SubscribedQuery<Member>): void {
    this.#queries.delete(query);
    this.#unregister(query);
    if (query.current !== null) this.#watch(query, query.current.reads, []);
  }

  /** Members of queries that a commit has made stale, each of which was fresh before. */
  apply(transactions: readonly PushedTransaction[]): ReadonlySet<Member> {
    const stale = new Set<Member>();
    for (const transaction of transactions) {
      const { ts, keys } = transaction;
      if (this.#ts === null || ts <= this.#ts) continue;
      this.#ts = ts;
      for (const [ref, key] of keys) {
        this.#indexes.get(ref)?.stab(key, (query) => {
          const version = query.current;
          if (version === null || version.until !== null || version.from >= ts) return;
          version.until = ts;
          for (const member of query.members) stale.add(member);
        });
      }
      this.#recent.push(transaction);
      this.#recentKeys += keys.length + 1;
    }
    return stale;
  }

  /** The log of what came in between is gone: nothing is known to be fresh any more. */
  restart(ts: number): ReadonlySet<Member> {
    const stale = new Set<Member>();
    for (const { current, members } of this.#queries) {
      if (current !== null && current.until === null) current.until = current.from + 1;
      for (const member of members) stale.add(member);
    }
    this.#forget(this.#recent.length);
    this.#recentFloor = ts;
    this.#ts = ts;
    return stale;
  }

  /**
   * Takes the result of a run at `version.from`. Returns the members for whom it is stale already. Results of runs
   * that newer ones have overtaken are not kept.
   */
  settle(query: SubscribedQuery<Member>, version: QueryVersion): ReadonlySet<Member> {
    version.until = this.#firstWrite(version.from, version.reads);
    const { current } = query;
    if (!this.#queries.has(query) || (current !== null && current.from > version.from)) return new Set();
    query.current = version;
    this.#watch(query, current?.reads ?? [], version.reads);
    if (query.journal !== version.journal || version.readsIdentity !== (current?.readsIdentity ?? false)) {
      this.#unregister(query);
      query.journal = version.journal;
      if (version.readsIdentity) this.#rememberReader(query.call);
      this.#register(query);
    }
    return version.until === null ? new Set() : query.members;
  }

  /** Runs under way began at `from` or later: what was committed before need not be kept for them. */
  trim(from: number): void {
    let count = 0;
    while (count < this.#recent.length) {
      const transaction = this.#recent[count];
      if (transaction === undefined || (transaction.ts > from && this.#recentKeys <= RECENT_KEYS)) break;
      this.#recentKeys -= transaction.keys.length + 1;
      this.#recentFloor = transaction.ts;
      count++;
    }
    this.#recent.splice(0, count);
  }

  #forget(count: number): void {
    for (const { keys } of this.#recent.splice(0, count)) this.#recentKeys -= keys.length + 1;
  }

  #firstWrite(from: number, reads: Reads): number | null {
    if (from < this.#recentFloor) return from + 1;
    if (this.#recent.length === 0) return null;
    const sets = new Map(reads.map(([ref, intervals]) => [ref, IntervalSet.of(intervals)]));
    for (const { ts, keys } of this.#recent) {
      if (ts > from && keys.some(([ref, key]) => sets.get(ref)?.contains(key) === true)) return ts;
    }
    return null;
  }

  #watch(query: SubscribedQuery<Member>, before: Reads, after: Reads): void {
    if (sameReads(before, after)) return;
    for (const [ref, intervals] of before) {
      const index = this.#indexes.get(ref);
      for (const interval of intervals) index?.remove(interval, query);
      if (index?.empty === true) this.#indexes.delete(ref);
    }
    for (const [ref, intervals] of after) {
      let index = this.#indexes.get(ref);
      if (index === undefined) this.#indexes.set(ref, (index = new IntervalIndex()));
      for (const interval of intervals) index.add(interval, query);
    }
  }

  #add(call: QueryCall, audience: QueryAudience, journal: string | null): SubscribedQuery<Member> {
    const query = new SubscribedQuery<Member>(this.#nextId++, call, audience, journal);
    this.#queries.add(query);
    this.#register(query);
    return query;
  }

  #register(query: SubscribedQuery<Member>): void {
    const { call, audience, journal, current } = query;
    const common = sharedKey(call, audience, journal);
    const exact = exactKey(common, audience);
    if (!this.#exact.has(exact)) this.#exact.set(exact, query);
    const personal = current === null ? this.#identityReaders.has(functionKey(call)) : current.readsIdentity;
    if (!personal && !this.#shared.has(common)) this.#shared.set(common, query);
  }

  #unregister(query: SubscribedQuery<Member>): void {
    const common = sharedKey(query.call, query.audience, query.journal);
    const exact = exactKey(common, query.audience);
    if (this.#exact.get(exact) === query) this.#exact.delete(exact);
    if (this.#shared.get(common) === query) this.#shared.delete(common);
  }

  #rememberReader(call: QueryCall): void {
    if (this.#identityReaders.size >= REMEMBERED_FUNCTIONS) this.#identityReaders.clear();
    this.#identityReaders.add(functionKey(call));
  }
}

function functionKey({ componentPath, udfPath }: QueryCall): string {
  return `${componentPath}\n${udfPath}`;
}

function sharedKey(call: QueryCall, { visibility }: QueryAudience, journal: string | null): string {
  return `${visibility}\n${functionKey(call)}\n${call.args}\n${journal ?? ""}`;
}

function exactKey(common: string, { key }: QueryAudience): string {
  return `${common}\n${key}`;
}

function sameReads(a: Reads, b: Reads): boolean {
  return (
    a.length === b.length &&
    a.every(([ref, intervals], i) => {
      const [otherRef, others = []] = b[i] ?? [];
      return (
        ref === otherRef &&
        intervals.length === others.length &&
        intervals.every(({ start, end }, k) => start === others[k]?.start && end === others[k]?.end)
      );
    })
  );
}
