import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/**
 * A service on the internet, as far as the backend can tell: it counts requests per path, and under `/held/` answers
 * only when told to, so that a test decides how long an action lasts.
 */
export class ThirdParty implements AsyncDisposable {
  readonly #server: Server;
  readonly #hits = new Map<string, number>();
  readonly #held = new Map<string, ServerResponse[]>();
  readonly #waiters = new Set<() => void>();

  private constructor(server: Server) {
    this.#server = server;
    server.on("request", (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response));
  }

  static async start(): Promise<ThirdParty> {
    const server = createServer();
    const service = new ThirdParty(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return service;
  }

  url(path: string): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}${path}`;
  }

  hits(path: string): number {
    return this.#hits.get(path) ?? 0;
  }

  /** Resolves when `path` has been asked for, which may be now. */
  async asked(path: string): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- until the event
    while (this.hits(path) === 0) await new Promise<void>((resolve) => this.#waiters.add(resolve));
  }

  /** Answers every request for `path` that is held. */
  release(path: string): void {
    for (const response of this.#held.get(path) ?? []) response.end("released");
    this.#held.delete(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? "/";
    const hits = this.hits(path) + 1;
    this.#hits.set(path, hits);
    if (path.startsWith("/held/")) {
      this.#held.set(path, [...(this.#held.get(path) ?? []), response]);
    } else {
      let body = "";
      request.setEncoding("utf8").on("data", (chunk: string) => {
        body += chunk;
      });
      request.on("end", () => {
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ method: request.method, path, body, hits }));
      });
    }
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }
}
