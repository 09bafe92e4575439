import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

// Events are whatever the backend sends; tests say what they expect.
export type StreamEvent = ReturnType<typeof JSON.parse>;

/** Receives a log stream at `/stream` and the exceptions of Sentry's project 7, and keeps all of it. */
export class LogReceiver implements AsyncDisposable {
  readonly events: StreamEvent[] = [];
  /** Payloads of Sentry envelopes. */
  readonly exceptions: StreamEvent[] = [];
  /** Bodies as they came. */
  readonly texts: string[] = [];
  /** Requests whose signature was not that of their body, or that had none. */
  unsigned = 0;
  /** Requests that were answered with something else than 200. */
  turnedAway = 0;
  readonly sentryKeys = new Set<string | undefined>();
  /** `silent`: no answer. `endless`: one without end. */
  answers: "taken" | "busy" | "silent" | "endless" = "taken";
  readonly #secret: string;
  readonly #server = createServer((request, response) => void this.#receive(request, response));
  readonly #waiting = new Set<() => void>();

  private constructor(secret: string) {
    this.#secret = secret;
  }

  static async start(secret: string): Promise<LogReceiver> {
    const receiver = new LogReceiver(secret);
    receiver.#server.listen(0, "127.0.0.1");
    await once(receiver.#server, "listening");
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/stream`;
  }

  get dsn(): string {
    return `http://key@127.0.0.1:${this.#port}/7`;
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves when `condition` holds of what came so far. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** The first event that matches, once it is here. */
  async event(matches: (event: StreamEvent) => boolean): Promise<StreamEvent> {
    await this.until(() => this.events.some(matches));
    return this.events.find(matches);
  }

  hangUp(): void {
    this.#server.closeAllConnections();
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await request.toArray());
    if (request.url === "/api/7/envelope/") this.#envelope(request, body);
    else if (this.answers === "taken") this.#batch(request, body);
    if (request.url !== "/stream" || this.answers === "taken") response.end("{}");
    else {
      this.turnedAway++;
      this.#wake();
      if (this.answers === "busy") response.writeHead(503, { "retry-after": "0" }).end("busy");
      // It ends when the other side hangs up.
      if (this.answers === "endless") await pipeline(Readable.from(endless()), response).catch(() => undefined);
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  #batch(request: IncomingMessage, body: Buffer): void {
    const signature = Buffer.from(String(request.headers["x-webhook-signature"]));
    const expected = Buffer.from(`sha256=${createHmac("sha256", this.#secret).update(body).digest("hex")}`);
    if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) this.unsigned++;
    this.texts.push(body.toString());
    this.events.push(...(JSON.parse(body.toString()) as StreamEvent[]));
  }

  #envelope(request: IncomingMessage, body: Buffer): void {
    this.sentryKeys.add(/sentry_key=(\w+)/.exec(String(request.headers["x-sentry-auth"]))?.[1]);
    this.texts.push(body.toString());
    const [, , event = ""] = body.toString().split("\n");
    this.exceptions.push(JSON.parse(event));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function* endless(): Generator<Buffer> {
  for (;;) yield Buffer.alloc(64 * 1024);
}
