import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import type { Duplex } from "node:stream";
import { Updates } from "./updates.ts";

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

interface Received {
  readonly opcode: number;
  readonly final: boolean;
  readonly payload: Buffer;
}

/**
 * A WebSocket as native clients open it: no compression, no subprotocol, no `Origin` and no `User-Agent`, which those of
 * browsers and Node send. Null in `messages`: the socket has closed.
 */
export class PlainSocket {
  readonly messages = new Updates<string | null>();
  readonly #stream: Duplex;
  #closed = false;
  #received: Buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];
  /** What the server said with its close frame. */
  closeReason: string | null = null;

  private constructor(stream: Duplex, head: Buffer) {
    this.#stream = stream;
    stream.on("data", (data: Buffer) => this.#arrived(data));
    stream.on("error", () => this.#ended());
    stream.on("close", () => this.#ended());
    this.#arrived(head);
  }

  static async open(url: string, headers: Readonly<Record<string, string>>): Promise<PlainSocket> {
    const upgrade = request(url, {
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": randomBytes(16).toString("base64"),
        ...headers,
      },
    });
    upgrade.end();
    const refused = once(upgrade, "response").then(([response]) => {
      throw new Error(`the upgrade was refused: ${(response as { statusCode: number }).statusCode}`);
    });
    const upgraded = once(upgrade, "upgrade") as Promise<[unknown, Duplex, Buffer]>;
    refused.catch(() => undefined);
    const [, stream, head] = await Promise.race([upgraded, refused]);
    return new PlainSocket(stream, head);
  }

  send(text: string): void {
    this.#frame(TEXT, Buffer.from(text));
  }

  /** As when the network is gone: nobody says goodbye. */
  cut(): void {
    this.#stream.destroy();
  }

  close(): void {
    if (!this.#closed) this.#frame(CLOSE, Buffer.from([0x03, 0xe8]));
    this.#stream.end();
  }

  #frame(opcode: number, payload: Buffer): void {
    const size = payload.length;
    const length =
      size < 126
        ? Buffer.from([0x80 | size])
        : size < 0x1_0000
          ? Buffer.from([0x80 | 126, size >> 8, size & 0xff])
          : Buffer.concat([Buffer.from([0x80 | 127, 0, 0, 0, 0]), uint32(size)]);
    const mask = randomBytes(4);
    const masked = payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0));
    this.#stream.write(Buffer.concat([Buffer.from([0x80 | opcode]), length, mask, masked]));
  }

  #arrived(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data]);
    for (let frame = this.#take(); frame !== null; frame = this.#take()) this.#took(frame);
  }

  /** The next whole frame. */
  #take(): Received | null {
    const data = this.#received;
    if (data.length < 2) return null;
    const short = (data[1] ?? 0) & 0x7f;
    const header = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (data.length < header) return null;
    const size = short < 126 ? short : short === 126 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2));
    if (data.length < header + size) return null;
    this.#received = data.subarray(header + size);
    const first = data[0] ?? 0;
    if ((first & 0x70) !== 0) throw new Error("a frame uses an extension that nobody asked for");
    return { opcode: first & 0x0f, final: (first & 0x80) !== 0, payload: data.subarray(header, header + size) };
  }

  #took({ opcode, final, payload }: Received): void {
    if (opcode === CLOSE) {
      this.closeReason = payload.subarray(2).toString();
      this.close();
    } else if (opcode === PING) {
      this.#frame(PONG, payload);
    } else if (opcode !== PONG) {
      this.#parts.push(payload);
      if (!final) return;
      this.messages.add(Buffer.concat(this.#parts).toString());
      this.#parts = [];
    }
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.messages.add(null);
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
