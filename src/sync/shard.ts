import type { ServerMessage } from "../protocol/sync.ts";
import type { CommitPush } from "../protocol/sync-calls.ts";
import { transitionFrames } from "./chunks.ts";
import { Client } from "./client.ts";
import { type Closing, TOO_SLOW } from "./closing.ts";
import { CommitFollower } from "./commit-follower.ts";
import type { Connection, ShardParts } from "./ports.ts";
import { callAction, callMutation, settled } from "./request-calls.ts";
import { RoundStarts } from "./round-starts.ts";
import { Rounds } from "./rounds.ts";
import { encodeServerMessage } from "./server-frames.ts";
import { Session, type SessionParts } from "./session.ts";
import type { SessionWork } from "./session-work.ts";
import { restoreSnapshot, snapshotOf } from "./shard-memory.ts";
import type { SessionState, ShardSnapshot } from "./snapshot.ts";
import { Subscriptions } from "./subscriptions.ts";

/**
 * What one Sync object does, without the Durable Object: sessions, the queries they share, and rounds that bring all
 * queries of a client to one timestamp.
 *
 *     commit ─► subscriptions ─► stale members ─► round at ts ─► fresh already │ run, shared ─► Transition
 */
export class Shard {
  readonly #parts: ShardParts;
  readonly #sessionParts: SessionParts;
  readonly #subscriptions = new Subscriptions<Client>();
  readonly #clients = new Set<Client>();
  readonly #commits: CommitFollower<Client>;
  readonly #rounds: Rounds;
  readonly #starts: RoundStarts;

  constructor(parts: ShardParts) {
    this.#parts = parts;
    const { clock, timers, log, history, redactErrors, digest, newRequestId } = parts;
    this.#sessionParts = {
      clock,
      redactErrors,
      requestId: (sessionId, requestId) =>
        sessionId === null ? newRequestId() : digest(`${sessionId}|${requestId}`).slice(0, 16),
    };
    this.#commits = new CommitFollower({
      subscriptions: this.#subscriptions,
      history,
      timers,
      log,
      stale: (members) => this.#invalidate(members),
      advanced: () => {
        this.#starts.advanced();
        this.#trim();
      },
    });
    this.#rounds = new Rounds({
      ...parts,
      subscriptions: this.#subscriptions,
      work: (client, work) => this.#do(client, work),
      update: (client) => this.#starts.update(client),
    });
    this.#starts = new RoundStarts({
      clock,
      timers,
      log,
      commits: this.#commits,
      connected: (client) => this.#clients.has(client),
      begin: (client, ts) => this.#rounds.begin(client, ts),
      end: (client, closing) => this.#end(client, closing),
    });
  }

  /** The newest commit that has been applied. */
  get ts(): number | null {
    return this.#commits.ts;
  }

  get clients(): ReadonlySet<Client> {
    return this.#clients;
  }

  get subscriptions(): Subscriptions<Client> {
    return this.#subscriptions;
  }

  /** Nothing is under way. */
  get idle(): boolean {
    if (!this.#rounds.none || !this.#starts.idle) return false;
    for (const client of this.#clients) if (!client.idle) return false;
    return true;
  }

  /** `id` is unique among the sockets of the shard. */
  connect(id: string, connection: Connection): Client {
    return this.#connect(id, connection);
  }

  /** Null while something is under way, or when somebody is not up to date. */
  snapshot(): ShardSnapshot | null {
    const { ts } = this;
    return ts === null || !this.idle ? null : snapshotOf(ts, this.#subscriptions, this.#clients);
  }

  /** Goes on from a snapshot. Before anything else happens here. */
  restore(snapshot: ShardSnapshot, connectionOf: (id: string) => Connection): void {
    restoreSnapshot(snapshot, this.#subscriptions, (id, state) => this.#connect(id, connectionOf(id), state));
  }

  message(client: Client, text: string): void {
    this.#do(client, client.session.receive(text));
  }

  /** The socket is gone. What runs for it runs on; nobody is told. */
  disconnected(client: Client): void {
    if (!this.#clients.delete(client)) return;
    client.session.end();
    this.#rounds.cancel(client);
    for (const query of new Set(client.queries.values())) this.#subscriptions.leave(query, client);
    client.queries.clear();
    this.#starts.forget(client);
  }

  /** Whether anybody here wants to know. */
  committed(push: CommitPush): boolean {
    if (this.#clients.size === 0) return false;
    this.#commits.committed(push);
    return true;
  }

  /** Everything committed before this call has been applied when it resolves. */
  refresh(): Promise<void> {
    return this.#commits.refresh();
  }

  refreshSoon(): void {
    this.#commits.refreshSoon();
  }

  #connect(id: string, connection: Connection, state?: SessionState): Client {
    const client = new Client(id, connection, new Session(this.#sessionParts, state));
    this.#clients.add(client);
    return client;
  }

  #invalidate(members: ReadonlySet<Client>): void {
    for (const client of members) client.session.invalidated();
    for (const client of members) this.#starts.update(client);
  }

  /** Commits are kept for the oldest round: its runs are compared with them. */
  #trim(): void {
    this.#subscriptions.trim(this.#rounds.oldest(this.ts ?? 0));
  }

  #do(client: Client, work: readonly SessionWork[]): void {
    const { functions, log } = this.#parts;
    const { session } = client;
    for (const one of work) {
      switch (one.kind) {
        case "send":
          this.#send(client, one.message);
          break;
        case "close":
          this.#end(client, one.closing);
          break;
        case "authenticate":
          void settled(log, () => functions.authenticate(one.credentials)).then((result) =>
            this.#do(client, session.authenticated(result)),
          );
          break;
        case "mutate":
          void callMutation(this.#parts, client, one.request).then((result) =>
            this.#do(client, session.mutated(one.request, result)),
          );
          break;
        case "act":
          void callAction(this.#parts, client, one.request).then((result) =>
            this.#do(client, session.acted(one.request, result)),
          );
          break;
        default:
          one satisfies never;
      }
    }
    this.#starts.update(client);
  }

  #send(client: Client, message: ServerMessage): void {
    const text = encodeServerMessage(message);
    const { connection } = client;
    const frames = message.type === "Transition" && connection.chunks ? transitionFrames(text) : [text];
    for (const frame of frames) connection.send(frame);
    if (connection.buffered() <= this.#parts.bufferBytes || client.session.closed) return;
    // A reader so slow must not fill the memory of everybody's object.
    if (message.type !== "Transition") this.#end(client, TOO_SLOW);
  }

  #end(client: Client, closing: Closing): void {
    this.disconnected(client);
    client.connection.close(closing);
  }
}
