import type { SentrySettings, WebhookSettings } from "../../protocol/log-streams.ts";
import { toHex } from "../../shared/bytes.ts";
import type { Delivery } from "./event-queue.ts";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** A receiver that has not answered by then gets the same again later. */
const TIMEOUT_MS = 10_000;

/** A log stream of Convex's type "webhook": bodies are signed, events are JSON. */
export function webhook({ url, secret, format }: WebhookSettings, send: Fetch, timeoutMs = TIMEOUT_MS) {
  let key: Promise<CryptoKey> | undefined;
  return async (events: readonly string[]): Promise<Delivery> => {
    const body = bytesOf(format === "json" ? `[${events.join(",")}]` : `${events.join("\n")}\n`);
    const signature = await crypto.subtle.sign("HMAC", await (key ??= hmacKey(secret)), body);
    return post(send, url, timeoutMs, body, {
      "content-type": format === "json" ? "application/json" : "application/x-ndjson",
      "x-webhook-signature": `sha256=${toHex(new Uint8Array(signature)).toLowerCase()}`,
    });
  };
}

/** Takes one envelope in a request. */
export function sentry({ endpoint, publicKey }: SentrySettings, send: Fetch) {
  return (envelopes: readonly string[]): Promise<Delivery> =>
    post(send, endpoint, TIMEOUT_MS, bytesOf(envelopes.join("")), {
      "content-type": "application/x-sentry-envelope",
      "x-sentry-auth": `Sentry sentry_version=7, sentry_client=convection/1, sentry_key=${publicKey}`,
    });
}

async function post(
  send: Fetch,
  url: string,
  timeoutMs: number,
  body: Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>>,
): Promise<Delivery> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await send(url, { method: "POST", headers, body, signal, redirect: "manual" });
    // Whatever it says, and however long that is, nobody reads it.
    await response.body?.cancel();
    return deliveryOf(response.status, response.headers.get("retry-after"));
  } catch (error) {
    // Its text may hold the URL, which may hold a secret.
    return { kind: "later", reason: error instanceof Error ? error.name : "Error", afterMs: null };
  }
}

function deliveryOf(status: number, retryAfter: string | null): Delivery {
  if (status >= 200 && status < 300) return { kind: "taken" };
  const reason = `status ${status}`;
  if (status !== 408 && status !== 429 && status < 500) return { kind: "refused", reason };
  const seconds = retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) : null;
  return { kind: "later", reason, afterMs: seconds === null ? null : seconds * 1000 };
}

function hmacKey(secret: string): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(secret);
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text));
}
