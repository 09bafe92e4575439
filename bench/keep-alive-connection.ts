import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/**
 * One HTTP/1.1 connection with one request at a time. `node:http` would spend as much CPU on a request as the server
 * does, on a machine that has two cores.
 */
export class KeepAliveConnection {
  readonly #socket: Socket;
  #received = "";
  #waiting: { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void } | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    // One byte per character, so that lengths in the head count characters here.
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => this.#receive(chunk));
    socket.on("error", (error) => this.#waiting?.reject(error));
    socket.on("close", () => this.#waiting?.reject(new Error("the server closed the connection")));
  }

  static async open(host: string, port: number): Promise<KeepAliveConnection> {
    const socket = connect({ host, port, noDelay: true });
    await once(socket, "connect");
    return new KeepAliveConnection(socket);
  }

  exchange(request: Uint8Array): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#waiting = null;
    this.#socket.destroy();
  }

  #receive(chunk: string): void {
    this.#received += chunk;
    const answer = parseAnswer(this.#received);
    if (answer === null || this.#waiting === null) return;
    this.#received = "";
    const { resolve } = this.#waiting;
    this.#waiting = null;
    resolve(answer);
  }
}

/** `null` while the answer is not complete. */
export function parseAnswer(text: string): Answer | null {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd === -1) return null;
  const head = text.slice(0, headEnd);
  const rest = text.slice(headEnd + 4);
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return rest.length < Number(length) ? null : { status, body: rest };
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) throw new Error(`an answer without a length: ${head}`);
  return unchunked(status, rest);
}

function unchunked(status: number, text: string): Answer | null {
  let body = "";
  for (let at = 0; ;) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (text.length < lineEnd + 2 + size + 2) return null;
    if (size === 0) return { status, body };
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
