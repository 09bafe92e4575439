import { DurableObject } from "cloudflare:workers";

/** What a team writes by hand for live data: one object that counts in its own storage and tells every socket. */
export class Broadcast extends DurableObject {
  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env as never);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)");
  }

  override fetch(): Response {
    const [client, server] = Object.values(new WebSocketPair());
    if (client === undefined || server === undefined) throw new Error("a pair of sockets has two");
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  increment(): number {
    const { value } = this.ctx.storage.sql
      .exec<{ value: number }>(
        "INSERT INTO counter (id, value) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET value = value + 1 RETURNING value",
      )
      .one();
    for (const socket of this.ctx.getWebSockets()) socket.send(JSON.stringify({ value }));
    return value;
  }

  override webSocketClose(socket: WebSocket): void {
    socket.close();
  }
}
