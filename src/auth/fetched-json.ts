import { CodedError } from "../shared/coded-error.ts";
import type { Clock } from "../shared/clock.ts";

/** Reads a document of a provider. The platform's `fetch`, or a test's. */
export type Fetch = (url: string, init: { headers: Record<string, string>; signal: AbortSignal }) => Promise<Response>;

export interface FetchedJsonSettings {
  /** Longest age of what is cached, whatever its provider says. Milliseconds. */
  readonly maxAgeMs: number;
  /** A document is asked for out of turn at most once in so many milliseconds. */
  readonly refetchMs: number;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

export const DEFAULT_FETCHED_JSON: FetchedJsonSettings = {
  maxAgeMs: 600_000,
  refetchMs: 10_000,
  timeoutMs: 5_000,
  maxBytes: 1024 * 1024,
};

export interface Fetched {
  readonly json: unknown;
  readonly contentType: string;
}

interface Entry extends Fetched {
  readonly fetchedAt: number;
  readonly goodUntil: number;
}

/** Why a document could not be read. `status` is the provider's, null when there was no answer. */
export class FetchFailure extends Error {
  override readonly name = "FetchFailure";
  readonly status: number | null;

  constructor(message: string, status: number | null, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

/**
 * Discovery documents and key sets by URL, kept as long as `Cache-Control` allows and never longer than a bound.
 * Values are cached, not promises: in a Worker, a promise of one request must not be awaited by another.
 */
export class FetchedJson {
  readonly #fetch: Fetch;
  readonly #clock: Clock;
  readonly #settings: FetchedJsonSettings;
  readonly #entries = new Map<string, Entry>();

  constructor(fetch: Fetch, clock: Clock, settings: FetchedJsonSettings = DEFAULT_FETCHED_JSON) {
    this.#fetch = fetch;
    this.#clock = clock;
    this.#settings = settings;
  }

  /** Throws `FetchFailure`. */
  async get(url: string): Promise<Fetched> {
    const known = this.#entries.get(url);
    if (known !== undefined && this.#clock.now() < known.goodUntil) return known;
    return this.#load(url);
  }

  /** What is there now, unless that was asked a moment ago: then null. For keys that the cached set does not have. */
  async fresh(url: string): Promise<Fetched | null> {
    const known = this.#entries.get(url);
    if (known !== undefined && this.#clock.now() - known.fetchedAt < this.#settings.refetchMs) return null;
    return this.#load(url);
  }

  async #load(url: string): Promise<Entry> {
    const { timeoutMs, maxAgeMs } = this.#settings;
    const headers = { accept: "application/json" };
    let response: Response;
    try {
      response = await this.#fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs) });
    } catch (cause) {
      throw new FetchFailure(`${url} could not be reached`, null, cause);
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new FetchFailure(`${url} answered ${response.status}`, response.status);
    }
    const json = await this.#json(url, response);
    const fetchedAt = this.#clock.now();
    const goodUntil = fetchedAt + Math.min(maxAgeMs, allowedAge(response.headers.get("cache-control")) ?? maxAgeMs);
    const entry = { json, contentType: response.headers.get("content-type") ?? "", fetchedAt, goodUntil };
    this.#entries.set(url, entry);
    return entry;
  }

  async #json(url: string, response: Response): Promise<unknown> {
    const declared = Number(response.headers.get("content-length") ?? 0);
    if (declared > this.#settings.maxBytes) throw new FetchFailure(`${url} is too large`, 200);
    try {
      const text = await response.text();
      if (text.length > this.#settings.maxBytes) throw new FetchFailure(`${url} is too large`, 200);
      return JSON.parse(text);
    } catch (cause) {
      if (cause instanceof FetchFailure) throw cause;
      throw new FetchFailure(`${url} did not answer with JSON`, 200, cause);
    }
  }
}

/** Milliseconds. `no-store` and `no-cache` are none. Null: the header says nothing. */
function allowedAge(cacheControl: string | null): number | null {
  if (cacheControl === null) return null;
  if (/\bno-(store|cache)\b/i.test(cacheControl)) return 0;
  const seconds = /\bmax-age=(\d+)/i.exec(cacheControl)?.[1];
  return seconds === undefined ? null : Number(seconds) * 1000;
}

/** `wire.md` §5.2: what a provider's failure looks like to our caller. */
export function discoveryFailure(failure: FetchFailure): CodedError {
  const message = `Auth provider discovery failed: ${failure.message}`;
  const options = { cause: failure };
  const code = "AuthProviderDiscoveryFailed";
  switch (failure.status) {
    case 401:
      return new CodedError("Unauthenticated", code, message, options);
    case 403:
      return new CodedError("Forbidden", code, message, options);
    case 404:
      return new CodedError("NotFound", code, message, options);
    case 429:
      return new CodedError("RateLimited", code, message, options);
    default:
      return new CodedError((failure.status ?? 400) >= 500 ? "Overloaded" : "BadRequest", code, message, options);
  }
}
