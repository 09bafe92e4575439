import { randomUUID } from "node:crypto";
import { convexToJson, type JSONValue, jsonToConvex, type Value } from "convex/values";
import { z } from "zod";
import { PlainSocket } from "./plain-socket.ts";
import { decodeTs, encodeTs } from "./raw-socket.ts";
import { Updates } from "./updates.ts";

export type Result =
  | { readonly type: "value"; readonly value: Value }
  | { readonly type: "message"; readonly message: string }
  | { readonly type: "error"; readonly message: string; readonly data: Value };

const u32 = z.int().min(0).max(0xffff_ffff);
const ts = z.base64().refine((text) => Buffer.from(text, "base64").length === 8);
const version = z.object({ querySet: u32, identity: u32, ts });
const logLines = z.array(z.string());
const value = z.json().transform((json) => jsonToConvex(json as JSONValue));
const journal = z.string().nullish();

/** What its decoder takes, and with which fields: unknown ones are ignored, unknown types are errors. */
const modification = z.discriminatedUnion("type", [
  z.object({ type: z.literal("QueryUpdated"), queryId: u32, value, logLines, journal }),
  z.object({
    type: z.literal("QueryFailed"),
    queryId: u32,
    errorMessage: z.string(),
    errorData: value.optional(),
    logLines,
    journal,
  }),
  z.object({ type: z.literal("QueryRemoved"), queryId: u32 }),
]);
const answer = { requestId: u32, success: z.boolean(), result: z.json(), errorData: value.optional(), logLines };
const serverMessage = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("Transition"),
    startVersion: version,
    endVersion: version,
    modifications: z.array(modification),
    clientClockSkew: z.number().nullish(),
    serverTs: z.number().nullish(),
  }),
  z.object({ type: z.literal("MutationResponse"), ts: ts.nullish(), ...answer }),
  z.object({ type: z.literal("ActionResponse"), ...answer }),
  z.object({ type: z.literal("AuthError"), error: z.string(), baseVersion: u32.nullish() }),
  z.object({ type: z.literal("FatalError"), error: z.string() }),
  z.object({ type: z.literal("Ping") }),
]);
type ServerMessage = z.infer<typeof serverMessage>;
type Transition = Extract<ServerMessage, { type: "Transition" }>;

interface Request {
  readonly message: object;
  readonly kind: "MutationResponse" | "ActionResponse";
  readonly settle: (result: Result) => void;
  result: Result | null;
  ts: bigint;
}

interface Subscription {
  readonly queryId: number;
  readonly path: string;
  readonly args: Record<string, Value>;
  readonly results: Updates<Result>;
  /** As JSON, to tell changes. */
  last: string | null;
}

const START = { querySet: 0, identity: 0, ts: encodeTs(0n) };

/**
 * The sync core that the Rust, Python, Swift and Kotlin clients share, as it speaks: a socket without compression at
 * `/api/sync`, its version in `Convex-Client`, JSON with sorted keys and floats as `1.0`, a new session on every
 * connection, canonical paths and everything in flight sent again after a reconnect, no journals, and a decoder that
 * takes nothing it doesn't know. Whatever breaks its rules is in `troubles` and makes it reconnect.
 */
export class NativeClient implements AsyncDisposable {
  readonly troubles: string[] = [];
  readonly logs: string[] = [];
  readonly sessions: string[] = [];
  readonly #url: string;
  readonly #clientId: string;
  readonly #subscriptions = new Map<number, Subscription>();
  readonly #requests = new Map<number, Request>();
  #socket: PlainSocket | null = null;
  #connectionCount = 0;
  #nextQuery = 0;
  #nextRequest = 0;
  #querySet = 0;
  #identity = 0;
  #version = START;
  #maxObserved: bigint | null = null;
  #token: (() => string) | null = null;
  #open = true;
  #ended: Promise<void> = Promise.resolve();
  #pings = new Updates<true>();

  private constructor(url: string, clientId: string) {
    const address = new URL(url);
    // The path of a deployment's address is not kept.
    address.pathname = "api/sync";
    this.#url = address.href;
    this.#clientId = clientId;
  }

  static async connect(url: string, clientId: string): Promise<NativeClient> {
    const client = new NativeClient(url, clientId);
    await client.#connect("InitialConnect");
    return client;
  }

  subscribe(path: string, args: Record<string, Value> = {}): Subscription {
    const subscription = { queryId: this.#nextQuery++, path, args, results: new Updates<Result>(), last: null };
    this.#subscriptions.set(subscription.queryId, subscription);
    this.#modify({ type: "Add", queryId: subscription.queryId, udfPath: path, args: [args] });
    return subscription;
  }

  unsubscribe({ queryId }: Subscription): void {
    this.#subscriptions.delete(queryId);
    this.#modify({ type: "Remove", queryId });
  }

  /** There are no queries but subscriptions: the first value of one. */
  async query(path: string, args: Record<string, Value> = {}): Promise<Result> {
    const subscription = this.subscribe(path, args);
    const result = await subscription.results.next();
    this.unsubscribe(subscription);
    return result;
  }

  mutation(path: string, args: Record<string, Value> = {}): Promise<Result> {
    return this.#request("Mutation", path, args);
  }

  action(path: string, args: Record<string, Value> = {}): Promise<Result> {
    return this.#request("Action", path, args);
  }

  /** Asked again on every connection. */
  setAuth(token: (() => string) | null): void {
    this.#token = token;
    const credentials = token === null ? { tokenType: "None" } : { tokenType: "User", value: token() };
    this.#send({ type: "Authenticate", baseVersion: this.#identity++, ...credentials });
  }

  setAdminAuth(key: string, actingAs?: object): void {
    const acting = actingAs === undefined ? {} : { acting_as: actingAs };
    this.#send({ type: "Authenticate", baseVersion: this.#identity++, tokenType: "Admin", value: key, ...acting });
  }

  /** The network is gone; the client connects again. */
  cut(): void {
    this.#socket?.cut();
  }

  async ping(): Promise<void> {
    await this.#pings.next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open = false;
    this.#socket?.close();
    await this.#ended;
  }

  async #connect(lastCloseReason: string): Promise<void> {
    const socket = await PlainSocket.open(this.#url, { "Convex-Client": this.#clientId });
    this.#socket = socket;
    const sessionId = randomUUID();
    this.sessions.push(sessionId);
    this.#send({
      type: "Connect",
      sessionId,
      connectionCount: this.#connectionCount,
      lastCloseReason,
      ...(this.#maxObserved === null ? {} : { maxObservedTimestamp: encodeTs(this.#maxObserved) }),
      clientTs: 0,
    });
    this.#ended = this.#listen(socket);
  }

  async #listen(socket: PlainSocket): Promise<void> {
    let reason: string | null = null;
    while (reason === null) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
      const text = await socket.messages.next();
      if (text === null) reason = socket.closeReason ?? "WebsocketConnectionError";
      else reason = this.#receive(text);
    }
    if (!this.#open) return;
    this.troubles.push(reason);
    socket.cut();
    this.#connectionCount++;
    await this.#connect(reason);
    this.#restart();
  }

  /** Everything that is going on, said to a server that knows nothing. */
  #restart(): void {
    this.#identity = 0;
    this.#querySet = 0;
    this.#version = START;
    if (this.#token !== null) this.setAuth(this.#token);
    const again = [...this.#subscriptions.values()].map(({ queryId, path, args }) => ({
      type: "Add",
      queryId,
      udfPath: canonical(path),
      args: [args],
    }));
    this.#modify(...again);
    for (const { message } of this.#requests.values()) this.#send(message);
  }

  /** Why to connect again, if that is so. */
  #receive(text: string): string | null {
    if (/"(serverTs|clientClockSkew)":(?!null|-?\d+[,}])/.test(text)) return "an integer is not written as one";
    const parsed = serverMessage.safeParse(JSON.parse(text));
    if (!parsed.success) return `not understood: ${text.slice(0, 200)} ${parsed.error.message}`;
    const message = parsed.data;
    if (message.type === "Transition") return this.#transition(message);
    if (message.type === "Ping") {
      this.#pings.add(true);
      return null;
    }
    if (message.type === "AuthError") return `AuthError: ${message.error}`;
    if (message.type === "FatalError") return `FatalError: ${message.error}`;
    this.logs.push(...message.logLines);
    const request = this.#requests.get(message.requestId);
    if (request === undefined) return "Invalid request id from server";
    if (request.kind !== message.type) return "Mismatched request type from server";
    if (message.success) request.result = { type: "value", value: jsonToConvex(message.result as JSONValue) };
    else if (typeof message.result === "string") request.result = failed(message.result, message.errorData);
    else return "a failure that is not told in words";
    if (message.type === "MutationResponse" && typeof message.ts === "string") {
      request.ts = decodeTs(message.ts);
      this.#observe(request.ts);
    }
    if (message.type === "ActionResponse" || request.result.type === "message") this.#settle(message.requestId);
    return null;
  }

  #transition({ startVersion, endVersion, modifications }: Transition): string | null {
    if (JSON.stringify(startVersion) !== JSON.stringify(this.#version)) return "StartVersionMismatch";
    this.#version = endVersion;
    this.#observe(decodeTs(endVersion.ts));
    for (const change of modifications) {
      if (change.type === "QueryRemoved") continue;
      this.logs.push(...change.logLines);
      const subscription = this.#subscriptions.get(change.queryId);
      if (subscription === undefined) continue;
      const result: Result =
        change.type === "QueryUpdated"
          ? { type: "value", value: change.value }
          : failed(change.errorMessage, change.errorData);
      const text = JSON.stringify(result.type === "value" ? convexToJson(result.value) : result.message);
      if (text === subscription.last) continue;
      subscription.last = text;
      subscription.results.add(result);
    }
    // Whatever was answered is done with any Transition; its timestamp is not looked at.
    for (const [id, { result }] of this.#requests) if (result !== null) this.#settle(id);
    return null;
  }

  #settle(id: number): void {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    if (request?.result != null) request.settle(request.result);
  }

  #observe(observed: bigint): void {
    if (this.#maxObserved === null || observed > this.#maxObserved) this.#maxObserved = observed;
  }

  #modify(...modifications: readonly object[]): void {
    this.#send({ type: "ModifyQuerySet", baseVersion: this.#querySet, newVersion: ++this.#querySet, modifications });
  }

  #request(type: "Mutation" | "Action", path: string, args: Record<string, Value>): Promise<Result> {
    const requestId = this.#nextRequest++;
    const message = { type, requestId, udfPath: path, args: [args] };
    return new Promise((settle) => {
      this.#requests.set(requestId, { message, kind: `${type}Response`, settle, result: null, ts: 0n });
      this.#send(message);
    });
  }

  #send(message: object): void {
    this.#socket?.send(written(message));
  }
}

function failed(message: string, data: Value | undefined): Result {
  return data === undefined ? { type: "message", message } : { type: "error", message, data };
}

/** How its paths are written once it has looked at them: `messages:list` is `messages.js:list`. */
function canonical(path: string): string {
  const [module = "", name = "default"] = path.split(":");
  return `${/\.jsx?$/.test(module) ? module : `${module}.js`}:${name}`;
}

/** Keys sorted; values in `args` as ConvexJSON, whose numbers are floats and look like floats. */
function written(message: object): string {
  return object(message, (key, item) => {
    if (key === "args") return `[${(item as Value[]).map((one) => floats(convexToJson(one))).join()}]`;
    if (key === "modifications") return `[${(item as object[]).map(written).join()}]`;
    return JSON.stringify(item);
  });
}

function object(fields: object, item: (key: string, value: unknown) => string): string {
  const entries = Object.entries(fields).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${item(key, one)}`).join()}}`;
}

function floats(json: JSONValue): string {
  if (typeof json === "number") return float(json);
  if (Array.isArray(json)) return `[${json.map(floats).join()}]`;
  if (typeof json === "object" && json !== null) return object(json, (_, one) => floats(one as JSONValue));
  return JSON.stringify(json);
}

/** Shortest digits, an exponent from 1e16 on. */
export function float(number: number): string {
  if (Math.abs(number) >= 1e16) return number.toExponential().replace("+", "");
  return Number.isInteger(number) ? `${number}.0` : String(number);
}
