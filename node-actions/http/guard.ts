import type { IncomingMessage, ServerResponse } from "node:http";
import { createMiddleware } from "hono/factory";
import type { Log } from "../../src/shared/log.ts";
import { targetOf } from "../../src/signing/covered.ts";
import type { SigningKeys } from "../../src/signing/keys.ts";
import type { NonceStore } from "../../src/signing/nonces.ts";
import { SignatureRefusedError, verifyBody, verifyHeaders } from "../../src/signing/verify.ts";
import type { Clock } from "../../src/shared/clock.ts";
import { nodeSha256 } from "../node-signing.ts";
import { Refusal } from "../refusal.ts";

export interface GuardOptions {
  readonly keys: () => SigningKeys;
  readonly nonces: NonceStore;
  readonly clock: Clock;
  readonly clockSkewMs: number;
  readonly bodyBytes: number;
  readonly log: Log;
  readonly onRefused: (code: string) => void;
}

/** What the guard leaves for the routes. */
export interface GuardedEnv {
  Bindings: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };
  Variables: { body: unknown };
}

/**
 * Lets signed requests through and no others: headers first, so that no byte of an unsigned body is read into memory.
 */
export function guard(options: GuardOptions) {
  const { clock, log } = options;
  /**
   * Nonces are forgotten with the process: what was signed before it started may have been accepted by the one before.
   * Whole seconds, as signatures have them.
   */
  const startedAt = Math.floor(clock.now() / 1000);
  return createMiddleware<GuardedEnv>(async (context, next) => {
    const { req } = context;
    const { incoming } = context.env;
    const received = {
      direction: "to-service",
      method: req.method,
      target: targetOf(req.url),
      header: (name: string) => headerOf(incoming, name),
    } as const;
    try {
      const declared = Number(headerOf(incoming, "content-length") ?? 0);
      if (declared > options.bodyBytes) throw tooLarge(options.bodyBytes);
      const verified = await verifyHeaders(received, options.keys(), clock, options);
      const bytes = await readBody(incoming, options.bodyBytes);
      if (verified.created < startedAt) {
        throw new SignatureRefusedError("Overloaded", "signed before this service started");
      }
      verifyBody(verified, nodeSha256(bytes), options.nonces, clock);
      context.set("body", parsed(bytes));
    } catch (error) {
      if (!(error instanceof SignatureRefusedError)) {
        if (error instanceof Refusal)
          log.warn("request refused", { code: error.code, method: req.method, path: req.path });
        throw error;
      }
      options.onRefused(error.code);
      log.warn("request refused", { code: error.code, reason: error.message, method: req.method, path: req.path });
      const retryable = error.code === "Overloaded";
      throw new Refusal(retryable ? 503 : 401, error.code, "The request was not accepted.", { retryable });
    }
    await next();
  });
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/** Straight from Node: a web stream in between costs more than the checks of a signature. */
function readBody(incoming: IncomingMessage, limit: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let length = 0;
  const take = (chunk: Buffer): void => {
    length += chunk.length;
    if (length <= limit) {
      chunks.push(chunk);
      return;
    }
    incoming.off("data", take);
    incoming.pause();
    reject(tooLarge(limit));
  };
  incoming.on("data", take);
  incoming.once("end", () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, length)));
  incoming.once("error", reject);
  incoming.once("close", () => reject(new Error("the request broke off")));
  return promise;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new Refusal(400, "BadRequest", "The body is not JSON.", { cause });
  }
}

function tooLarge(limit: number): Refusal {
  return new Refusal(413, "BodyTooLarge", `The body is larger than ${limit} bytes [CONVECTION_NODE_BODY_BYTES].`);
}
