import * as http from "node:http";
import * as https from "node:https";
import { nodeSha256 } from "./node-signing.ts";
import { signRequest } from "../src/signing/sign.ts";
import type { SigningKeys } from "../src/signing/keys.ts";
import type { Clock } from "../src/shared/clock.ts";
import type { Random } from "../src/shared/random.ts";

export interface WorkerClientSettings {
  readonly callbackConnectMs: number;
  readonly callbacks: number;
}

export interface WorkerRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly body: Uint8Array;
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
  /**
   * On a connection of its own. A kept one may have been closed by the other end, and then nobody knows whether
   * the request was read.
   */
  readonly fresh: boolean;
}

export interface WorkerResponse {
  readonly status: number;
  readonly body: Buffer;
}

/** The connection was never made: the Worker has seen nothing of the request. */
export class NotConnectedError extends Error {
  override readonly name = "NotConnectedError";
  readonly code: string;

  constructor(code: string, cause: unknown) {
    super(`not connected: ${code}`, { cause });
    this.code = code;
  }
}

/** The Worker may have acted on the request. */
export class BrokenConnectionError extends Error {
  override readonly name = "BrokenConnectionError";
  readonly code: string;

  constructor(code: string, cause: unknown) {
    super(`connection broken: ${code}`, { cause });
    this.code = code;
  }
}

/** Kept connections are given up before the other end closes them. */
const KEEP_ALIVE_MS = 4000;

/**
 * Signed requests to the Worker. No limit on how long an answer takes: an action that calls an action waits for minutes.
 * `fetch` gives up on the head of an answer after five.
 */
export class WorkerClient {
  readonly #settings: WorkerClientSettings;
  readonly #keys: () => SigningKeys;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #agents = {
    "http:": new http.Agent({ keepAlive: true, timeout: KEEP_ALIVE_MS, maxFreeSockets: 64 }),
    "https:": new https.Agent({ keepAlive: true, timeout: KEEP_ALIVE_MS, maxFreeSockets: 64 }),
  };

  constructor(settings: WorkerClientSettings, keys: () => SigningKeys, clock: Clock, random: Random) {
    this.#settings = settings;
    this.#keys = keys;
    this.#clock = clock;
    this.#random = random;
  }

  async send(request: WorkerRequest): Promise<WorkerResponse> {
    const { method, url, body } = request;
    const parts = { direction: "to-worker", method, url, body } as const;
    const signed = await signRequest(parts, this.#keys().signing, this.#clock, this.#random, nodeSha256);
    return this.#exchange(request, new URL(url), {
      ...signed,
      ...(method === "POST" ? { "content-type": "application/json", "content-length": String(body.length) } : {}),
    });
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #exchange(request: WorkerRequest, url: URL, headers: Readonly<Record<string, string>>): Promise<WorkerResponse> {
    const secure = url.protocol === "https:";
    const { promise, resolve, reject } = Promise.withResolvers<WorkerResponse>();
    let connected = false;
    const sent = (secure ? https : http).request(url, {
      method: request.method,
      headers,
      agent: request.fresh ? false : this.#agents[secure ? "https:" : "http:"],
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    const failed = (error: Error): void => {
      const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
      reject(connected ? new BrokenConnectionError(code, error) : new NotConnectedError(code, error));
    };
    const connecting = setTimeout(() => {
      sent.destroy(Object.assign(new Error("connect timeout"), { code: "ETIMEDOUT" }));
    }, this.#settings.callbackConnectMs);
    sent.on("socket", (socket) => {
      const established = (): void => {
        connected = true;
        clearTimeout(connecting);
      };
      if (socket.connecting) socket.once(secure ? "secureConnect" : "connect", established);
      else established();
    });
    sent.on("error", failed);
    sent.on("close", () => clearTimeout(connecting));
    sent.on("response", (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > request.maxBytes) sent.destroy(Object.assign(new Error("answer too large"), { code: "EMSGSIZE" }));
        else chunks.push(chunk);
      });
      response.on("error", failed);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
    });
    sent.end(request.body.length === 0 ? undefined : request.body);
    return promise;
  }
}
