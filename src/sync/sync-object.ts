import { DurableObject } from "cloudflare:workers";
import type { Timers } from "../engine/commit/ports.ts";
import { PING } from "../protocol/sync.ts";
import { type CommitPush, parseVersioned, type PushAnswer } from "../protocol/sync-calls.ts";
import { type Closing, STATE_LOST } from "./closing.ts";
import type { Connection, ShardParts } from "./ports.ts";
import { type Client, Shard } from "./shard.ts";
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

const LISTEN_RETRY_MS = 500;

/**
 * One shard of the deployment's sockets: a Durable Object named `sync-<number>`. It hibernates while nothing happens;
 * an alarm pings all sockets without looking at anything else.
 */
export abstract class SyncObject<Env> extends DurableObject<Env> {
  readonly #composition: SyncComposition;
  readonly #shard: Shard;
  readonly #clients = new Map<WebSocket, Client>();
  /** Whether an alarm is set, as far as this object knows. */
  #pinging = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#composition = this.compose(ctx, env);
    this.#shard = new Shard({ ...this.#composition, timers: TIMERS });
  }

  protected abstract compose(ctx: DurableObjectState, env: Env): SyncComposition;

  /** The upgrade of a client's socket, made by `upgradeRequest`. */
  override async fetch(request: Request): Promise<Response> {
    const details = connectRequestOf(request);
    const [client, server] = Object.values(new WebSocketPair());
    if (client === undefined || server === undefined) throw new Error("a pair of sockets has two");
    this.ctx.acceptWebSocket(server);
    server.serializeAttachment({ v: 1, details });
    const first = this.#clients.size === 0;
    this.#clients.set(server, this.#shard.connect(connectionOf(server, details)));
    if (first) await this.#awake();
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
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
    const listening = this.#shard.committed(parseVersioned<CommitPush>(pushJson));
    return JSON.stringify({ v: 1, listening } satisfies PushAnswer);
  }

  override async alarm(): Promise<void> {
    const sockets = this.ctx.getWebSockets();
    if (sockets.length === 0) {
      this.#pinging = false;
      return;
    }
    // Set first: an alarm that fails more than six times is dropped for good.
    await this.ctx.storage.setAlarm(Date.now() + PING_MS);
    this.#pinging = true;
    for (const socket of sockets) send(socket, PING);
    this.#shard.refreshSoon();
  }

  /** From no socket to one. */
  async #awake(): Promise<void> {
    if (!this.#pinging) {
      this.#pinging = true;
      if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + PING_MS);
    }
    this.#listen();
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
    if (client !== undefined) this.#shard.disconnected(client);
  }
}

const BINARY: Closing = { code: 1011, reason: "BinaryMessage" };

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
    // Closed between the check and the call: its close event follows, or never comes (`platform.md` §4, 21 and 22).
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
