import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";

/**
 * What becomes of one callback of a Node action. `lost`: the connection breaks before the Worker sees the request;
 * `answer lost`: after it has answered; `cut`: when the Worker has the request and has not answered yet, so that the
 * next attempt meets the first one. The `busy` ones are a 503 of something in between, before or after the Worker;
 * `denied` is a 403 of it.
 */
export type Trouble = "none" | "lost" | "answer lost" | "cut" | "busy" | "busy after" | "denied";

export interface SeenCallback {
  readonly op: string;
  /** Of a mutation: the id that its attempts share. */
  readonly id: string | null;
  readonly trouble: Trouble;
}

const body = z.object({
  op: z.string(),
  idempotency: z.object({ sessionId: z.string(), requestId: z.string() }).optional(),
});

/** Stands between the Node service and the Worker, and breaks what it is told to break. */
export class TroubledCallbacks implements AsyncDisposable {
  readonly #server = createServer((incoming, response) => {
    void this.#serve(incoming, response);
  });
  /** Origin of the Worker. */
  worker = "";
  readonly seen: SeenCallback[] = [];
  /** Of the operation `op`, in its `attempt`, from 1. */
  trouble: (op: string, attempt: number) => Trouble = () => "none";
  /** Failures of the proxy itself. */
  readonly failures: unknown[] = [];

  static async start(): Promise<TroubledCallbacks> {
    const proxy = new TroubledCallbacks();
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Forgets what it has seen; from now on this is what happens. */
  from(trouble: (op: string, attempt: number) => Trouble): void {
    this.seen.length = 0;
    this.trouble = trouble;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const bytes = Buffer.concat(await incoming.toArray());
      const trouble = incoming.url === "/api/node/syscall" ? this.#decide(bytes) : "none";
      if (trouble === "lost") return void incoming.socket.destroy();
      if (trouble === "busy") return void response.writeHead(503).end("busy");
      if (trouble === "denied") return void response.writeHead(403).end("denied");
      const answer = forwarded(`${this.worker}${incoming.url}`, incoming, bytes);
      if (trouble === "cut") incoming.socket.destroy();
      const { status, headers, content } = await answer;
      if (trouble === "cut") return;
      if (trouble === "answer lost") return void incoming.socket.destroy();
      if (trouble === "busy after") return void response.writeHead(503).end("busy");
      response.writeHead(status, headers).end(content);
    } catch (error) {
      this.failures.push(error);
      incoming.socket.destroy();
    }
  }

  #decide(bytes: Buffer): Trouble {
    const { op, idempotency } = body.parse(JSON.parse(bytes.toString()));
    const id = idempotency === undefined ? null : `${idempotency.sessionId} ${idempotency.requestId}`;
    const attempt = 1 + this.seen.filter((one) => one.op === op && one.id === id).length;
    const trouble = this.trouble(op, attempt);
    this.seen.push({ op, id, trouble });
    return trouble;
  }
}

interface Forwarded {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly content: Buffer;
}

async function forwarded(url: string, incoming: IncomingMessage, bytes: Buffer): Promise<Forwarded> {
  const outgoing = request(url, { method: incoming.method, headers: incoming.headers, agent: false });
  outgoing.end(bytes);
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  const content = Buffer.concat(await answer.toArray());
  return {
    status: answer.statusCode ?? 500,
    headers: { "content-type": answer.headers["content-type"] ?? "application/json" },
    content,
  };
}
