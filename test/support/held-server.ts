import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A server outside that answers when the test says so. */
export class HeldServer implements AsyncDisposable {
  readonly #server = createServer((request, response) => {
    this.#held.set(request.url ?? "", response);
    this.#waiting.get(request.url ?? "")?.();
  });
  readonly #held = new Map<string, ServerResponse>();
  readonly #waiting = new Map<string, () => void>();

  static async start(): Promise<HeldServer> {
    const held = new HeldServer();
    held.#server.listen(0, "127.0.0.1");
    await once(held.#server, "listening");
    return held;
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  /** Resolves when somebody waits for the answer of `path`. */
  async asked(path: string): Promise<void> {
    if (!this.#held.has(path)) await new Promise<void>((resolve) => this.#waiting.set(path, resolve));
  }

  answer(path: string, text: string): void {
    const response = this.#held.get(path);
    if (response === undefined) throw new Error(`nobody asked for ${path}`);
    this.#held.delete(path);
    response.end(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
