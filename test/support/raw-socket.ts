import { randomUUID } from "node:crypto";
import { Updates } from "./updates.ts";

export type Frame = Readonly<Record<string, unknown>> & { readonly type: string };

export interface Version {
  readonly querySet: number;
  readonly identity: number;
  readonly ts: string;
}

export interface Transition extends Frame {
  readonly startVersion: Version;
  readonly endVersion: Version;
  readonly modifications: readonly Modification[];
  readonly clientClockSkew: number | null;
  readonly serverTs: number;
}

export interface Modification {
  readonly type: "QueryUpdated" | "QueryFailed" | "QueryRemoved";
  readonly queryId: number;
  readonly value?: unknown;
  readonly errorMessage?: string;
  readonly errorData?: unknown;
  readonly logLines?: readonly string[];
  readonly journal?: string | null;
}

export const ZERO_TS = "AAAAAAAAAAA=";

interface Options {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sends `Connect`; on by default. */
  readonly connect?: boolean;
  readonly sessionId?: string;
  readonly connectionCount?: number;
  /** Told of every frame when it arrives, after the socket itself has followed it. */
  readonly onFrame?: (frame: Frame) => void;
}

/** Frames of the sync protocol as they are. Checks the chain of versions in everything that arrives. */
export class RawSocket implements AsyncDisposable {
  readonly sessionId: string;
  readonly #socket: WebSocket;
  readonly #frames = new Updates<Frame>();
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  #querySet = 0;
  #identity = 0;
  #version: Version = { querySet: 0, identity: 0, ts: ZERO_TS };
  #results = new Map<number, Modification>();
  #broken: string | null = null;
  readonly #onFrame: (frame: Frame) => void;
  transitions = 0;

  private constructor(socket: WebSocket, sessionId: string, onFrame: (frame: Frame) => void = () => {}) {
    this.#socket = socket;
    this.sessionId = sessionId;
    this.#onFrame = onFrame;
    const closed = Promise.withResolvers<{ code: number; reason: string }>();
    this.closed = closed.promise;
    socket.addEventListener("message", ({ data }) => this.#arrived(String(data)));
    socket.addEventListener("close", ({ code, reason }) => {
      closed.resolve({ code, reason });
      this.#add({ type: "closed", code, reason });
    });
  }

  static async open(url: string, options: Options = {}): Promise<RawSocket> {
    const address = `${url.replace(/^http/, "ws").replace(/\/$/, "")}${options.path ?? "/api/1.48.0/sync"}`;
    // Node's WebSocket takes headers, which the browser's does not.
    const socket = new WebSocket(address, { headers: options.headers ?? {} } as unknown as string[]);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("error", () => reject(new Error("the upgrade was refused")));
    });
    const raw = new RawSocket(socket, options.sessionId ?? randomUUID(), options.onFrame);
    if (options.connect !== false) raw.connect({ connectionCount: options.connectionCount ?? 0 });
    return raw;
  }

  connect(fields: Readonly<Record<string, unknown>> = {}): void {
    this.send({
      type: "Connect",
      sessionId: this.sessionId,
      connectionCount: 0,
      lastCloseReason: "InitialConnect",
      clientTs: Date.now(),
      ...fields,
    });
  }

  send(frame: object | string): void {
    this.#socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  sendBinary(): void {
    this.#socket.send(new Uint8Array([1, 2, 3]));
  }

  /** With the versions that come next. */
  modify(...modifications: readonly object[]): void {
    this.send({
      type: "ModifyQuerySet",
      baseVersion: this.#querySet,
      newVersion: ++this.#querySet,
      modifications,
    });
  }

  add(queryId: number, udfPath: string, args: object = {}, more: object = {}): void {
    this.modify(adding(queryId, udfPath, args, more));
  }

  remove(queryId: number): void {
    this.modify({ type: "Remove", queryId });
  }

  authenticate(fields: object): void {
    this.send({ type: "Authenticate", baseVersion: this.#identity++, ...fields });
  }

  mutate(requestId: number, udfPath: string, args: object = {}): void {
    this.send({ type: "Mutation", requestId, udfPath, args: [args] });
  }

  act(requestId: number, udfPath: string, args: object = {}): void {
    this.send({ type: "Action", requestId, udfPath, args: [args] });
  }

  get open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** What was wrong with the chain of versions. */
  get broken(): string | null {
    return this.#broken;
  }

  get version(): Version {
    return this.#version;
  }

  /** Frames that have arrived and were not taken. */
  get left(): number {
    return this.#frames.left;
  }

  /** What the client shows for the query by now. */
  result(queryId: number): Modification | undefined {
    return this.#results.get(queryId);
  }

  value(queryId: number): unknown {
    return this.#results.get(queryId)?.value;
  }

  /** The next frame but Pings. */
  async next(): Promise<Frame> {
    const frame = await this.#frames.until(({ type }) => type !== "Ping");
    if (this.#broken !== null) throw new Error(this.#broken);
    return frame;
  }

  /** Skips what comes before. */
  async until(type: string, good: (frame: Frame) => boolean = () => true): Promise<Frame> {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
      const frame = await this.next();
      if (frame.type === type && good(frame)) return frame;
      if (frame.type === "closed" && type !== "closed") throw new Error(`closed: ${JSON.stringify(frame)}`);
    }
  }

  async ping(): Promise<void> {
    await this.#frames.until(({ type }) => type === "Ping");
  }

  async transition(good: (transition: Transition) => boolean = () => true): Promise<Transition> {
    return (await this.until("Transition", (frame) => good(frame as Transition))) as Transition;
  }

  response(requestId: number): Promise<Frame> {
    return this.until("MutationResponse", (frame) => frame["requestId"] === requestId);
  }

  /** Until the client shows this. */
  async shows(queryId: number, good: (value: unknown) => boolean): Promise<unknown> {
    while (!good(this.value(queryId))) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
      await this.transition();
    }
    return this.value(queryId);
  }

  close(): void {
    this.#socket.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.closed;
  }

  #arrived(text: string): void {
    const frame = JSON.parse(text) as Frame;
    if (frame.type === "Transition") this.#follow(frame as Transition);
    this.#add(frame);
  }

  #add(frame: Frame): void {
    this.#frames.add(frame);
    this.#onFrame(frame);
  }

  #follow({ startVersion, endVersion, modifications }: Transition): void {
    const { querySet, identity, ts } = this.#version;
    if (startVersion.querySet !== querySet || startVersion.identity !== identity || startVersion.ts !== ts) {
      this.#broken = `expected ${JSON.stringify(this.#version)}, got ${JSON.stringify(startVersion)}`;
    }
    if (endVersion.querySet < querySet || endVersion.identity < identity || decodeTs(endVersion.ts) < decodeTs(ts)) {
      this.#broken = `went back from ${JSON.stringify(this.#version)} to ${JSON.stringify(endVersion)}`;
    }
    this.#version = endVersion;
    this.transitions += 1;
    for (const modification of modifications) {
      if (modification.type === "QueryRemoved") this.#results.delete(modification.queryId);
      else this.#results.set(modification.queryId, modification);
    }
  }
}

export function adding(queryId: number, udfPath: string, args: object = {}, more: object = {}): object {
  return { type: "Add", queryId, udfPath, args: [args], ...more };
}

/** Nanoseconds. */
export function decodeTs(text: unknown): bigint {
  return Buffer.from(String(text), "base64").readBigUInt64LE();
}

export function encodeTs(nanoseconds: bigint): string {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(nanoseconds);
  return buffer.toString("base64");
}
