import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * What becomes of one request of the Worker for the Node service. `lost`: the connection breaks before the service sees
 * it; `unheard`: when the service has it and nothing is answered yet; `broken`: after the head and the first line of the
 * answer. `nonsense` is an answer of something in between, after the service has begun.
 */
export type HopTrouble = "none" | "lost" | "unheard" | "broken" | "nonsense";

/** Stands between the Worker and the Node service, and breaks what it is told to break. */
export class TroubledService implements AsyncDisposable {
  readonly #server = createServer((incoming, response) => {
    void this.#serve(incoming, response);
  });
  /** Origin of the service. */
  service = "";
  /** What happens to executions from now on. */
  trouble: HopTrouble = "none";
  /** Requests to execute something that arrived here. */
  executions = 0;
  readonly failures: unknown[] = [];

  static async start(): Promise<TroubledService> {
    const proxy = new TroubledService();
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const bytes = Buffer.concat(await incoming.toArray());
      const execution = incoming.url === "/execute";
      const trouble = execution ? this.trouble : "none";
      if (execution) this.executions += 1;
      if (trouble === "lost") return void incoming.socket.destroy();
      const { method, headers } = incoming;
      const outgoing = request(`${this.service}${incoming.url}`, { method, headers, agent: false });
      // The service may be hung up on.
      outgoing.on("error", (error) => this.failures.push(error));
      outgoing.end(bytes);
      const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
      if (trouble === "unheard") return void incoming.socket.destroy();
      if (trouble === "nonsense") {
        answer.resume();
        return void response.writeHead(200, { "content-type": "text/html" }).end("<html>");
      }
      response.writeHead(answer.statusCode ?? 500, { "content-type": answer.headers["content-type"] ?? "" });
      if (trouble === "broken") {
        const [first] = (await once(answer, "data")) as [Buffer];
        answer.resume();
        response.write(first, () => incoming.socket.destroy());
        return;
      }
      answer.pipe(response);
    } catch (error) {
      this.failures.push(error);
      incoming.socket.destroy();
    }
  }
}
