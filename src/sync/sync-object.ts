import { DurableObject } from "cloudflare:workers";
import type { Timers } from "../engine/commit/ports.ts";
import { PING } from "../protocol/sync.ts";
import { type CommitPush, parseVersioned, type PushAnswer } from "../protocol/sync-calls.ts";
import { must } from "../shared/assert.ts";
import type { Client } from "./client.ts";
import { type Closing, STATE_LOST } from "./closing.ts";
import type { Connection, ShardParts } from "./ports.ts";
import { Shard } from "./shard.ts";
import { type Position, StoredState } from "./stored-state.ts";
import { type ConnectRequest, connectRequestOf } from "./upgrade.ts";

/** What the composition root supplies; the object itself knows about sockets, storage and alarms. */
export interface SyncComposition extends Omit<ShardParts, "timers"> {
  /** Asks the Transactor for pushes. */
  readonly listen: () => Promise<void>;
  /** False: the deployment has fewer shards by now, and nobody tells this one what is committed. */
  readonly current: boolean;
}

/** Every client is sent something at least this often, or it takes the connection for dead (`wire.md` §3.12). */
const PING_MS = 20_000;

/** So long after the last event the state is stored: before the platform takes the memory of an idle object (10 s). */
const SAVE_MS = 2_000;

const LISTEN_RETRY_MS = 500;

/** What stays with a socket while the object has no memory. `position` counts while the stored state does. */
interface Attachment {
  readonly v: 1;
  readonly id: string;
  readonly details: ConnectRequest;
  readonly position: Position | null;
}

/**
 * One shard of the deployment's sockets: a Durable Object named `sync-<number>`. It hibernates while nothing happens;
 * an alarm pings all sockets without looking at anything else.
 *
 *     event ─► spoil ─► work … quiet for SAVE_MS ─► save ─► the platform may take the memory ─► event ─► restore
 *
 * The timer of a save that is due keeps the object in memory, so nothing that was said is lost on the way.
 */
export abstract class SyncObject<Env> extends DurableObject<Env> {
  readonly #composition: SyncComposition;
  readonly #shard: Shard;
  readonly #state: StoredState;
  readonly #clients = new Map<WebSocket, Client>();
  /** Whether memory has what there is to know about the open sockets. */
  #restored = false;
  #lastEvent = 0;
  #saving = false;
  #pinging = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#composition = this.compose(ctx, env);
    this.#shard = new Shard({ ...this.#composition, timers: TIMERS });
    this.#state = new StoredState(ctx.storage.sql, this.#composition.digest);
  }

  protected abstract compose(ctx: DurableObjectState, env: Env): SyncComposition;

  /** The upgrade of a client's socket, made by `upgradeRequest`. */
  override async fetch(request: Request): Promise<Response> {
    this.#begin();
    const details = connectRequestOf(request);
    const [client, server] = Object.values(new WebSocketPair());
    if (client === undefined || server === undefined) throw new Error("a pair of sockets has two");
    this.ctx.acceptWebSocket(server);
    const id = this.#composition.newRequestId();
    attach(server, { v: 1, id, details, position: null });
    const first = this.#clients.size === 0;
    this.#clients.set(server, this.#shard.connect(id, connectionOf(server, details)));
    if (first) {
      this.#listen();
      this.#shard.refreshSoon();
    }
    await this.#keepPinging();
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    this.#begin();
    const client = this.#clients.get(socket);
    if (client === undefined) close(socket, STATE_LOST);
    else if (typeof message !== "string") close(socket, BINARY);
    else this.#shard.message(client, message);
  }

  override webSocketClose(socket: WebSocket): void {
    this.#disconnected(socket);
    // Without an answer the client waits ten seconds for it.
    socket.close();
  }

  override webSocketError(socket: WebSocket): void {
    this.#disconnected(socket);
  }

  /** A `CommitPush`, answered with a `PushAnswer`. */
  async committed(pushJson: string): Promise<string> {
    const push = parseVersioned<CommitPush>(pushJson);
    let listening = this.ctx.getWebSockets().length > 0;
    if (listening) {
      this.#begin();
      listening = this.#shard.committed(push);
    }
    return JSON.stringify({ v: 1, listening } satisfies PushAnswer);
  }

  override async alarm(): Promise<void> {
    const { log, history, current } = this.#composition;
    const sockets = this.ctx.getWebSockets();
    this.#pinging = sockets.length > 0;
    if (!this.#pinging) return;
    // Set first: an alarm that fails more than six times is dropped for good.
    await this.ctx.storage.setAlarm(Date.now() + PING_MS);
    if (!current) {
      for (const socket of sockets) close(socket, STATE_LOST);
      return;
    }
    for (const socket of sockets) send(socket, PING);
    try {
      // A push may be lost, with the Transactor that should have sent it. Nothing is loaded when nothing was missed.
      const known = this.#restored ? this.#shard.ts : this.#state.ts;
      if (known !== null && (await history.head()) === known) return;
      this.#begin();
      await this.#shard.refresh();
    } catch (error) {
      log.warn("sync.alarm", { reason: String(error) });
    }
  }

  /** Before anything is done for a client: memory is there, and storage is behind from now on. */
  #begin(): void {
    this.#restore();
    this.#state.spoil();
    this.#lastEvent = Date.now();
    this.#saveLater();
  }

  #restore(): void {
    if (this.#restored) return;
    this.#restored = true;
    const sockets = new Map<string, { readonly socket: WebSocket; readonly details: ConnectRequest }>();
    const positions = new Map<string, Position>();
    for (const socket of this.ctx.getWebSockets()) {
      const { id, details, position } = attachmentOf(socket);
      sockets.set(id, { socket, details });
      if (position !== null) positions.set(id, position);
    }
    const snapshot = this.#state.load(positions);
    if (snapshot !== null && snapshot.clients.length > 0) {
      this.#shard.restore(snapshot, (id) => {
        const { socket, details } = must(sockets.get(id), "socket");
        return connectionOf(socket, details);
      });
      for (const client of this.#shard.clients)
        this.#clients.set(must(sockets.get(client.id), "socket").socket, client);
      this.#composition.log.info("sync.restored", { clients: this.#clients.size, queries: snapshot.queries.length });
    }
    // What was said to them last is not known: they come back with all they have.
    for (const { socket } of sockets.values()) if (!this.#clients.has(socket)) close(socket, STATE_LOST);
  }

  #saveLater(): void {
    if (this.#saving) return;
    this.#saving = true;
    TIMERS.after(SAVE_MS, () => {
      this.#saving = false;
      const quiet = Date.now() - this.#lastEvent >= SAVE_MS;
      // Without a socket there is nothing to keep, and nothing to keep the memory for.
      if ((!quiet || !this.#save()) && this.#clients.size > 0) this.#saveLater();
    });
  }

  #save(): boolean {
    if (this.#state.valid) return true;
    const snapshot = this.#shard.snapshot();
    if (snapshot === null) return false;
    for (const [socket, { session }] of this.#clients) {
      const { sent, minTs } = session.state;
      attach(socket, { ...attachmentOf(socket), position: { sent, minTs } });
    }
    this.#state.save(snapshot);
    return true;
  }

  async #keepPinging(): Promise<void> {
    if (this.#pinging) return;
    this.#pinging = true;
    const { storage } = this.ctx;
    if ((await storage.getAlarm()) === null) await storage.setAlarm(Date.now() + PING_MS);
  }

  #listen(): void {
    this.#composition.listen().catch((error: unknown) => {
      this.#composition.log.warn("sync.listen", { reason: String(error) });
      TIMERS.after(LISTEN_RETRY_MS, () => this.#listen());
    });
  }

  #disconnected(socket: WebSocket): void {
    const client = this.#clients.get(socket);
    this.#clients.delete(socket);
    // Without memory there is nothing to forget: the stored client is left out when memory comes back.
    if (client !== undefined) this.#shard.disconnected(client);
  }
}

const BINARY: Closing = { code: 1011, reason: "BinaryMessage" };

function attach(socket: WebSocket, attachment: Attachment): void {
  socket.serializeAttachment(attachment);
}

function attachmentOf(socket: WebSocket): Attachment {
  // Written by `attach` when the socket was accepted.
  return socket.deserializeAttachment() as Attachment;
}

function connectionOf(socket: WebSocket, { ip, userAgent, chunks }: ConnectRequest): Connection {
  return {
    ip,
    userAgent,
    chunks,
    send: (text) => send(socket, text),
    close: (closing) => close(socket, closing),
    buffered: () => (socket.readyState === WebSocket.OPEN ? socket.bufferedAmount : 0),
  };
}

/** A socket that is closed already, or that the runtime has forgotten, has nobody to tell. */
function send(socket: WebSocket, text: string): void {
  if (socket.readyState !== WebSocket.OPEN) return;
  try {
    socket.send(text);
  } catch {
    // Closed between the check and the call: its close event follows, or never comes , as when the runtime forgot the socket.
  }
}

function close(socket: WebSocket, { code, reason }: Closing): void {
  if (socket.readyState !== WebSocket.OPEN) return;
  try {
    if (code === null) socket.close();
    else socket.close(code, reason);
  } catch {
    // As above.
  }
}

const TIMERS: Timers = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
