import { OutOfRetentionError } from "../engine/persistence.ts";
import { requireWriteAccess } from "../auth/authorization.ts";
import type { FunctionCall, FunctionOutcome } from "../protocol/execution.ts";
import { isPrivileged } from "../protocol/identity.ts";
import type { ServerMessage } from "../protocol/sync.ts";
import type { CommitPush } from "../protocol/sync-calls.ts";
import { must } from "../shared/assert.ts";
import { CodedError } from "../shared/coded-error.ts";
import { audienceOf } from "./audience.ts";
import { transitionFrames } from "./chunks.ts";
import { INTERNAL_ERROR, retryable } from "./closing.ts";
import { Coalesced } from "./coalesced.ts";
import type { Connection, ShardParts } from "./ports.ts";
import { executeQuery, functionPath } from "./query-execution.ts";
import { QueryRuns, type Waiter } from "./query-runs.ts";
import type { ShardSnapshot, StoredClient, StoredQuery } from "./snapshot.ts";
import { encodeServerMessage } from "./server-frames.ts";
import {
  Session,
  type SessionParts,
  type SessionRequest,
  type SessionResult,
  type SessionState,
  type SessionUpdate,
  type SessionWork,
  type Settled,
} from "./session.ts";
import { holdsAt, type QueryVersion, type SubscribedQuery } from "./subscribed-query.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Transactions read from the commit log at once. */
const LOG_PAGE = 500;

/** How long the push of a commit may be behind the answer to its mutation before the commit log is asked. */
const PUSH_DELAY_MS = 50;

/** After the database could not be read. */
const RETRY_MS = 500;

/** Bytes behind which a client gets no new Transition: what happens meanwhile goes into the one after. */
const HIGH_WATER_BYTES = 1024 * 1024;
const DRAIN_POLL_MS = 50;
/** A client that stays above the high-water mark for this long is closed. */
const DRAIN_TIMEOUT_MS = 30_000;

const MUTATION_ATTEMPTS = 4;
const MUTATION_RETRY_MS = 100;

export type Query = SubscribedQuery<Client>;

/** One socket and its part in the shard. */
export class Client {
  readonly id: string;
  readonly connection: Connection;
  readonly session: Session;
  readonly queries = new Map<number, Query>();
  /** The query set and identity that `queries` stands for. Null: to be looked at again. */
  joined: { readonly querySet: number; readonly identity: number } | null = null;
  round: Round | null = null;
  /** Since when it has been too far behind to get a Transition. */
  slowSince: number | null = null;
  freshening = false;

  constructor(id: string, connection: Connection, session: Session) {
    this.id = id;
    this.connection = connection;
    this.session = session;
  }
}

/** One update of one client: all of its queries at `ts`. */
interface Round {
  readonly ts: number;
  readonly update: SessionUpdate;
  readonly versions: Map<number, QueryVersion>;
  readonly waiters: Map<Query, Waiter>;
  /** Query ids without a version. */
  missing: number;
}

/**
 * What one Sync object does, without the Durable Object: sessions, the queries they share, and rounds that bring all
 * queries of a client to one timestamp.
 *
 *     commit ─► subscriptions ─► stale members ─► round at ts ─► fresh already │ run, shared ─► Transition
 *
 * A round keeps its timestamp: results that newer commits make stale still hold there, and the next round follows.
 */
export class Shard {
  readonly #parts: ShardParts;
  readonly #sessionParts: SessionParts;
  readonly #subscriptions = new Subscriptions<Client>();
  readonly #runs: QueryRuns<Query>;
  readonly #clients = new Set<Client>();
  readonly #rounds = new Set<Round>();
  /** Clients that have been told of commits which have not arrived here. */
  readonly #behind = new Set<Client>();
  readonly #slow = new Set<Client>();
  #behindTimer = false;
  #slowTimer = false;
  readonly #refresh = new Coalesced(() => this.#catchUp());

  constructor(parts: ShardParts) {
    this.#parts = parts;
    const { clock, redactErrors, digest, newRequestId } = parts;
    this.#sessionParts = {
      clock,
      redactErrors,
      requestId: (sessionId, requestId) =>
        sessionId === null ? newRequestId() : digest(`${sessionId}|${requestId}`).slice(0, 16),
    };
    this.#runs = new QueryRuns({
      run: (query, ts) => executeQuery(parts, query, ts),
      settle: (query, version) => this.#settled(query, version),
      timers: parts.timers,
    });
  }

  /** The newest commit that has been applied. */
  get ts(): number | null {
    return this.#subscriptions.ts;
  }

  get clients(): ReadonlySet<Client> {
    return this.#clients;
  }

  get subscriptions(): Subscriptions<Client> {
    return this.#subscriptions;
  }

  /** Nothing is under way. */
  get idle(): boolean {
    if (this.#rounds.size > 0 || this.#behind.size > 0 || this.#slow.size > 0) return false;
    for (const { session, freshening } of this.#clients) if (freshening || !session.idle) return false;
    return true;
  }

  /** `id` is unique among the sockets of the shard. */
  connect(id: string, connection: Connection): Client {
    const client = new Client(id, connection, new Session(this.#sessionParts));
    this.#clients.add(client);
    return client;
  }

  /** Null while something is under way, or when somebody is not up to date. */
  snapshot(): ShardSnapshot | null {
    const { ts } = this;
    if (ts === null || !this.idle) return null;
    const queries: StoredQuery[] = [];
    for (const { id, call, audience, journal, current } of this.#subscriptions.queries()) {
      if (current === null || current.until !== null) return null;
      const { from, fingerprint, readsIdentity, reads } = current;
      queries.push({ id, call, identity: audience.identity, journal, from, fingerprint, readsIdentity, reads });
    }
    const clients: StoredClient[] = [];
    for (const { id, session, queries: joined } of this.#clients) {
      const { state } = session;
      for (const { queryId, sent } of state.queries) {
        if (sent === null || joined.get(queryId)?.current?.fingerprint !== sent) return null;
      }
      clients.push({ id, session: state, queries: [...joined].map(([queryId, query]) => [queryId, query.id]) });
    }
    return { ts, queries, clients };
  }

  /** Goes on from a snapshot. Before anything else happens here. */
  restore({ ts, queries, clients }: ShardSnapshot, connectionOf: (id: string) => Connection): void {
    this.#subscriptions.start(ts);
    const restored = new Map<number, Query>();
    for (const { id, call, identity, journal, ...version } of queries) {
      const current = { ...version, until: null, text: null, journal };
      restored.set(id, this.#subscriptions.restore(id, call, audienceOf(identity), journal, current));
    }
    for (const { id, session, queries: joined } of clients) {
      const members = joined.map(([queryId, query]) => [queryId, must(restored.get(query), "stored query")] as const);
      const byId = new Map(members);
      const state: SessionState = {
        ...session,
        queries: session.queries.map((query) => ({
          ...query,
          sent: byId.get(query.queryId)?.current?.fingerprint ?? null,
        })),
      };
      const client = new Client(id, connectionOf(id), new Session(this.#sessionParts, state));
      this.#clients.add(client);
      for (const [queryId, query] of members) {
        client.queries.set(queryId, query);
        query.members.add(client);
      }
      client.joined = { querySet: state.received.querySet, identity: state.received.identity };
    }
    // Of sockets that were closed meanwhile.
    for (const query of restored.values()) if (query.members.size === 0) this.#subscriptions.drop(query);
  }

  message(client: Client, text: string): void {
    this.#do(client, client.session.receive(text));
  }

  /** The socket is gone. What runs for it runs on; nobody is told. */
  disconnected(client: Client): void {
    if (!this.#clients.delete(client)) return;
    client.session.end();
    this.#cancelRound(client);
    for (const query of new Set(client.queries.values())) this.#subscriptions.leave(query, client);
    client.queries.clear();
    this.#behind.delete(client);
    this.#slow.delete(client);
  }

  /** Whether anybody here wants to know. */
  committed(push: CommitPush): boolean {
    if (this.#clients.size === 0) return false;
    const { ts } = this;
    // Whoever needs it will read the head first.
    if (ts === null) return true;
    if (push.transactions === null || push.previous > ts) this.refreshSoon();
    else this.#apply(push.transactions);
    return true;
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
    const { history } = this.#parts;
    const head = await history.head();
    if (this.ts === null) {
      this.#subscriptions.start(head);
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
    if ((this.ts ?? 0) < head) this.#invalidate(this.#subscriptions.restart(head));
  }

  #apply(transactions: NonNullable<CommitPush["transactions"]>): void {
    this.#invalidate(this.#subscriptions.apply(transactions));
    for (const client of this.#behind) {
      if (client.session.minTs > (this.ts ?? 0)) continue;
      this.#behind.delete(client);
      this.#update(client);
    }
    this.#trim();
  }

  #invalidate(members: ReadonlySet<Client>): void {
    for (const client of members) client.session.invalidated();
    for (const client of members) this.#update(client);
  }

  #do(client: Client, work: readonly SessionWork[]): void {
    for (const one of work) {
      switch (one.kind) {
        case "send":
          this.#send(client, one.message);
          break;
        case "close":
          this.#end(client, () => client.connection.close(one.closing));
          break;
        case "authenticate":
          void this.#settle(() => this.#parts.functions.authenticate(one.credentials)).then((result) =>
            this.#do(client, client.session.authenticated(result)),
          );
          break;
        case "mutate":
          void this.#mutate(client, one.request).then((result) =>
            this.#do(client, client.session.mutated(one.request, result)),
          );
          break;
        case "act":
          void this.#act(client, one.request).then((result) =>
            this.#do(client, client.session.acted(one.request, result)),
          );
          break;
        default:
          one satisfies never;
      }
    }
    this.#update(client);
  }

  #send(client: Client, message: ServerMessage): void {
    const text = encodeServerMessage(message);
    const { connection } = client;
    const frames = message.type === "Transition" && connection.chunks ? transitionFrames(text) : [text];
    for (const frame of frames) connection.send(frame);
    if (connection.buffered() <= this.#parts.bufferBytes || client.session.closed) return;
    // A reader so slow must not fill the memory of everybody's object.
    if (message.type !== "Transition") this.#end(client, () => connection.close(TOO_SLOW));
  }

  #end(client: Client, close: () => void): void {
    this.disconnected(client);
    close();
  }

  async #settle<T>(work: () => Promise<T>): Promise<Settled<T>> {
    try {
      return { value: await work() };
    } catch (error) {
      if (!(error instanceof CodedError)) this.#parts.log.error("sync.failed", error);
      return { error };
    }
  }

  // Rounds

  /** Begins a round if the client wants one and can take it; else sees to it that one begins later. */
  #update(client: Client): void {
    const { session } = client;
    if (!session.wantsUpdate || client.round !== null || client.freshening || !this.#clients.has(client)) return;
    if (this.#isSlow(client)) return;
    const { ts } = this;
    if (ts === null || session.needsHead) {
      this.#freshen(client);
    } else if (session.minTs > ts) {
      this.#waitForPush(client);
    } else {
      this.#begin(client, ts);
    }
  }

  /** Reads the head before the round: what was acknowledged anywhere before the client asked must be seen. */
  #freshen(client: Client): void {
    const { session } = client;
    const seen = session.minTs;
    client.freshening = true;
    this.refresh().then(
      () => {
        client.freshening = false;
        if (!session.wantsUpdate || client.round !== null || !this.#clients.has(client)) return;
        const { ts } = this;
        if (ts === null) throw new Error("the head was read and is not known");
        // It has seen commits that are not there: it must not travel back in time.
        if (seen > ts) this.#end(client, () => client.connection.close(INTERNAL_ERROR));
        // What it was told while the head was being read may be newer than that.
        else if (session.minTs > ts) this.#waitForPush(client);
        else this.#begin(client, ts);
      },
      (error: unknown) => {
        this.#parts.log.warn("sync.head", { reason: String(error) });
        this.#parts.timers.after(RETRY_MS, () => {
          client.freshening = false;
          this.#update(client);
        });
      },
    );
  }

  #waitForPush(client: Client): void {
    this.#behind.add(client);
    if (this.#behindTimer) return;
    this.#behindTimer = true;
    this.#parts.timers.after(PUSH_DELAY_MS, () => {
      this.#behindTimer = false;
      const waiting = [...this.#behind];
      this.#behind.clear();
      for (const behind of waiting) {
        if (behind.round === null && !behind.freshening && behind.session.wantsUpdate) this.#freshen(behind);
      }
    });
  }

  /** Polls, as a socket does not say when it has drained. */
  #isSlow(client: Client): boolean {
    const { clock, timers } = this.#parts;
    if (client.connection.buffered() <= HIGH_WATER_BYTES) {
      client.slowSince = null;
      return false;
    }
    const now = clock.now();
    client.slowSince ??= now;
    if (now - client.slowSince > DRAIN_TIMEOUT_MS) {
      this.#end(client, () => client.connection.close(TOO_SLOW));
      return true;
    }
    this.#slow.add(client);
    if (!this.#slowTimer) {
      this.#slowTimer = true;
      timers.after(DRAIN_POLL_MS, () => {
        this.#slowTimer = false;
        const slow = [...this.#slow];
        this.#slow.clear();
        for (const one of slow) this.#update(one);
      });
    }
    return true;
  }

  #begin(client: Client, ts: number): void {
    const { session } = client;
    const { update, work } = session.beginUpdate();
    if (update === null) {
      this.#do(client, work);
      return;
    }
    this.#join(client, update);
    const round: Round = { ts, update, versions: new Map(), waiters: new Map(), missing: 0 };
    client.round = round;
    this.#rounds.add(round);
    const needed = new Map<Query, number[]>();
    for (const [queryId, query] of client.queries) {
      const { current } = query;
      if (current !== null && current.text !== null && holdsAt(current, ts)) {
        round.versions.set(queryId, current);
      } else if (current !== null && holdsAt(current, ts) && this.#isSent(update, queryId, current)) {
        round.versions.set(queryId, current);
      } else {
        round.missing += 1;
        const ids = needed.get(query);
        if (ids === undefined) needed.set(query, [queryId]);
        else ids.push(queryId);
      }
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

  #isSent({ queries }: SessionUpdate, queryId: number, { fingerprint }: QueryVersion): boolean {
    return queries.some((query) => query.queryId === queryId && "sent" in query && query.sent === fingerprint);
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
        else this.#do(client, client.session.updateFailed(error));
      },
    };
  }

  #restart(client: Client): void {
    this.#cancelRound(client);
    client.session.invalidated();
    this.#update(client);
  }

  #cancelRound(client: Client): void {
    const { round } = client;
    if (round === null) return;
    client.round = null;
    this.#rounds.delete(round);
    for (const [query, waiter] of round.waiters) this.#runs.forget(query, waiter);
  }

  #finish(client: Client, round: Round): void {
    if (client.round !== round) return;
    client.round = null;
    this.#rounds.delete(round);
    const results: SessionResult[] = [];
    for (const [queryId, { fingerprint, text }] of round.versions) {
      results.push({ queryId, fingerprint, text: text ?? UNCHANGED });
    }
    this.#do(client, client.session.finishUpdate(round.update, round.ts, results));
  }

  /** Commits are kept for the oldest round: its runs are compared with them. */
  #trim(): void {
    let oldest = this.ts ?? 0;
    for (const { ts } of this.#rounds) oldest = Math.min(oldest, ts);
    this.#subscriptions.trim(oldest);
  }

  /** Brings the client's queries in line with the update. */
  #join(client: Client, { querySet, identityVersion, identity, queries }: SessionUpdate): void {
    const { joined } = client;
    if (joined?.querySet === querySet && joined.identity === identityVersion) return;
    const audience = audienceOf(identity);
    const before = new Map(client.queries);
    client.queries.clear();
    for (const { queryId, udfPath, componentPath, args, journal } of queries) {
      const known = before.get(queryId);
      const query = known?.serves(audience)
        ? known
        : this.#subscriptions.join({ udfPath, componentPath, args }, audience, known?.journal ?? journal, client);
      client.queries.set(queryId, query);
    }
    const kept = new Set(client.queries.values());
    for (const query of new Set(before.values())) if (!kept.has(query)) this.#subscriptions.leave(query, client);
    client.joined = { querySet, identity: identityVersion };
  }

  // Queries

  #settled(query: Query, version: QueryVersion): void {
    const stale = this.#subscriptions.settle(query, version);
    if (version.readsIdentity) {
      for (const member of query.members) {
        if (audienceOf(member.session.identity).key !== query.audience.key) member.joined = null;
      }
    }
    for (const client of Array.from(stale)) {
      client.session.invalidated();
      // Those in a round begin another one after it.
      this.#update(client);
    }
  }

  // Mutations and actions

  async #mutate(client: Client, request: SessionRequest): Promise<Settled<FunctionOutcome>> {
    const { sessionId, requestId, firstConnection } = request;
    for (let attempt = 1; ; attempt++) {
      // oxlint-disable-next-line no-await-in-loop -- an attempt follows from the failure of the one before
      const result = await this.#settle(async () => {
        requireWriteAccess(request.identity);
        return this.#parts.functions.runMutation({
          ...this.#functionCall(client, request),
          v: 1,
          idempotency:
            sessionId === null
              ? null
              : {
                  sessionId,
                  requestId: String(requestId),
                  ...(firstConnection && attempt === 1 ? { fresh: true } : {}),
                },
        });
      });
      const again = sessionId !== null && "error" in result && mayRetry(result.error);
      if (!again || attempt === MUTATION_ATTEMPTS || client.session.closed) return result;
      // oxlint-disable-next-line no-await-in-loop -- as above
      await new Promise<void>((resolve) => this.#parts.timers.after(MUTATION_RETRY_MS * 2 ** attempt, resolve));
    }
  }

  #act(client: Client, request: SessionRequest): Promise<Settled<FunctionOutcome>> {
    return this.#settle(async () => {
      requireWriteAccess(request.identity);
      return this.#parts.functions.runAction(this.#functionCall(client, request));
    });
  }

  #functionCall({ connection }: Client, request: SessionRequest): FunctionCall {
    const { identity, contextId } = request;
    return {
      path: functionPath(request.udfPath, request.componentPath),
      args: request.args,
      identity,
      context: {
        requestId: contextId,
        ip: connection.ip,
        userAgent: connection.userAgent,
        scheduledFunctionId: null,
        caller: "SyncWorker",
      },
      visibility: isPrivileged(identity) ? "internal" : "public",
    };
  }
}

const TOO_SLOW = retryable("SlowReader");
/** Stands for a result that the client has: only its fingerprint is looked at. */
const UNCHANGED = { type: "QueryUpdated", fields: "" } as const;

/** With ids, the same request may be sent again: it is never run twice. */
function mayRetry(error: unknown): boolean {
  return error instanceof CodedError && error.retryable;
}
