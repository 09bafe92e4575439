import { CodedError } from "../shared/coded-error.ts";
import { audienceOf } from "./audience.ts";
import type { Client, Query, Round } from "./client.ts";
import type { ShardParts } from "./ports.ts";
import { executeQuery } from "./query-execution.ts";
import { QueryRuns, type Waiter } from "./query-runs.ts";
import type { SessionResult } from "./query-set.ts";
import type { SessionUpdate, SessionWork } from "./session-work.ts";
import { holdsAt, type QueryVersion } from "./subscribed-query.ts";
import type { Subscriptions } from "./subscriptions.ts";

interface RoundParts extends ShardParts {
  readonly subscriptions: Subscriptions<Client>;
  readonly work: (client: Client, work: readonly SessionWork[]) => void;
  /** Begins another round of the client as soon as it may. */
  readonly update: (client: Client) => void;
}

/**
 * Rounds bring all queries of a client to one timestamp, each query run once for everybody who needs it there.
 *
 *     begin ─► join the queries ─► fresh already │ run, shared ─► all there ─► Transition
 *
 * A round keeps its timestamp: results that newer commits make stale still hold there, and the next round follows.
 */
export class Rounds {
  readonly #parts: RoundParts;
  readonly #runs: QueryRuns<Query>;
  readonly #rounds = new Set<Round>();

  constructor(parts: RoundParts) {
    this.#parts = parts;
    this.#runs = new QueryRuns({
      run: (query, ts) => executeQuery(parts, query, ts),
      settle: (query, version) => this.#settled(query, version),
      timers: parts.timers,
    });
  }

  get none(): boolean {
    return this.#rounds.size === 0;
  }

  /** Of the round that began first, at most `ts`: its runs are compared with the commits since. */
  oldest(ts: number): number {
    let oldest = ts;
    for (const round of this.#rounds) oldest = Math.min(oldest, round.ts);
    return oldest;
  }

  begin(client: Client, ts: number): void {
    const { update, work } = client.session.beginUpdate();
    if (update === null) {
      this.#parts.work(client, work);
      return;
    }
    this.#join(client, update);
    const round: Round = { ts, update, versions: new Map(), waiters: new Map(), missing: 0 };
    client.round = round;
    this.#rounds.add(round);
    const needed = new Map<Query, number[]>();
    for (const [queryId, query] of client.queries) {
      const { current } = query;
      if (current !== null && holdsAt(current, ts) && (current.text !== null || isSent(update, queryId, current))) {
        round.versions.set(queryId, current);
        continue;
      }
      round.missing += 1;
      const ids = needed.get(query);
      if (ids === undefined) needed.set(query, [queryId]);
      else ids.push(queryId);
    }
    if (round.missing === 0) {
      this.#finish(client, round);
      return;
    }
    for (const [query, ids] of needed) {
      const waiter = this.#waiter(client, round, query, ids);
      round.waiters.set(query, waiter);
      this.#runs.request(query, waiter);
    }
  }

  cancel(client: Client): void {
    const { round } = client;
    if (round === null) return;
    client.round = null;
    this.#rounds.delete(round);
    for (const [query, waiter] of round.waiters) this.#runs.forget(query, waiter);
  }

  #waiter(client: Client, round: Round, query: Query, ids: readonly number[]): Waiter {
    return {
      ts: round.ts,
      arrived: (version) => {
        round.waiters.delete(query);
        if (version.readsIdentity && query.audience.key !== audienceOf(round.update.identity).key) {
          // Somebody else's result after all: this client needs a run of its own.
          client.joined = null;
          this.#restart(client);
          return;
        }
        for (const queryId of ids) round.versions.set(queryId, version);
        round.missing -= ids.length;
        if (round.missing === 0) this.#finish(client, round);
      },
      failed: (error) => {
        round.waiters.delete(query);
        if (error instanceof CodedError && error.errorClass === "OutOfRetention") this.#restart(client);
        else this.#parts.work(client, client.session.updateFailed(error));
      },
    };
  }

  #restart(client: Client): void {
    this.cancel(client);
    client.session.invalidated();
    this.#parts.update(client);
  }

  #finish(client: Client, round: Round): void {
    if (client.round !== round) return;
    client.round = null;
    this.#rounds.delete(round);
    const results: SessionResult[] = [];
    for (const [queryId, { fingerprint, text }] of round.versions) {
      results.push({ queryId, fingerprint, text: text ?? UNCHANGED });
    }
    this.#parts.work(client, client.session.finishUpdate(round.update, round.ts, results));
  }

  /** Brings the client's queries in line with the update. */
  #join(client: Client, { querySet, identityVersion, identity, queries }: SessionUpdate): void {
    const { joined } = client;
    if (joined?.querySet === querySet && joined.identity === identityVersion) return;
    const { subscriptions } = this.#parts;
    const audience = audienceOf(identity);
    const before = new Map(client.queries);
    client.queries.clear();
    for (const { queryId, udfPath, componentPath, args, journal } of queries) {
      const known = before.get(queryId);
      const query = known?.serves(audience)
        ? known
        : subscriptions.join({ udfPath, componentPath, args }, audience, known?.journal ?? journal, client);
      client.queries.set(queryId, query);
    }
    const kept = new Set(client.queries.values());
    for (const query of new Set(before.values())) if (!kept.has(query)) subscriptions.leave(query, client);
    client.joined = { querySet, identity: identityVersion };
  }

  /** A result for everybody, before those who wait for it have it. */
  #settled(query: Query, version: QueryVersion): void {
    const stale = this.#parts.subscriptions.settle(query, version);
    if (version.readsIdentity) {
      for (const member of query.members) {
        if (audienceOf(member.session.identity).key !== query.audience.key) member.joined = null;
      }
    }
    for (const client of Array.from(stale)) {
      client.session.invalidated();
      // Those in a round begin another one after it.
      this.#parts.update(client);
    }
  }
}

/** Stands for a result that the client has: only its fingerprint is looked at. */
const UNCHANGED = { type: "QueryUpdated", fields: "" } as const;

function isSent({ queries }: SessionUpdate, queryId: number, { fingerprint }: QueryVersion): boolean {
  return queries.some((query) => query.queryId === queryId && query.sent === fingerprint);
}
