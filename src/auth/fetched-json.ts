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

/** By which a request that does end, with a failure at its time limit, is told before others lose patience. */
const GRACE_MS = 500;

interface Loading {
  readonly entry: Promise<Entry>;
  readonly since: number;
}

/**
 * Discovery documents and key sets by URL, kept as long as `Cache-Control` allows and never longer than a bound. A
 * failure is not kept: the next one who asks tries again. Who asks for what is on its way already waits for it.
 */
export class FetchedJson {
  readonly #fetch: Fetch;
  readonly #clock: Clock;
  readonly #settings: FetchedJsonSettings;
  readonly #entries = new Map<string, Entry>();
  readonly #loading = new Map<string, Loading>();
  /** When a document was last asked for out of turn. */
  readonly #refetchedAt = new Map<string, number>();

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
    const running = this.#running(url);
    if (running !== null) return running;
    const now = this.#clock.now();
    const lately = [this.#entries.get(url)?.fetchedAt, this.#refetchedAt.get(url)];
    if (lately.some((at) => at !== undefined && now - at < this.#settings.refetchMs)) return null;
    this.#refetchedAt.set(url, now);
    return this.#load(url);
  }

  #load(url: string): Promise<Entry> {
    const running = this.#running(url);
    if (running !== null) return running;
    const entry = this.#fetched(url);
    const loading = { entry, since: this.#clock.now() };
    this.#loading.set(url, loading);
    const done = (): void => {
      if (this.#loading.get(url) === loading) this.#loading.delete(url);
    };
    entry.then(done, done);
    return entry;
  }

  /**
   * What a request began whose client hangs up is dropped and never ends. Who has waited for it longer than it may take
   * begins anew.
   */
  #running(url: string): Promise<Entry> | null {
    const loading = this.#loading.get(url);
    if (loading === undefined) return null;
    const left = loading.since + this.#settings.timeoutMs - this.#clock.now();
    if (left <= 0) return null;
    const { promise: late, resolve } = Promise.withResolvers<null>();
    const timer = setTimeout(resolve, left + GRACE_MS, null);
    return Promise.race([loading.entry, late])
      .finally(() => clearTimeout(timer))
      .then((entry) => {
        if (entry !== null) return entry;
        const known = this.#entries.get(url);
        return known !== undefined && known.fetchedAt > loading.since ? known : this.#load(url);
      });
  }

  async #fetched(url: string): Promise<Entry> {
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
    const text = await this.#text(url, response);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new FetchFailure(`${url} did not answer with JSON`, 200, cause);
    }
  }

  async #text(url: string, response: Response): Promise<string> {
    const decoder = new TextDecoder();
    let text = "";
    try {
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk, { stream: true });
        if (text.length > this.#settings.maxBytes) throw new FetchFailure(`${url} is too large`, 200);
      }
    } catch (cause) {
      if (cause instanceof FetchFailure) throw cause;
      throw new FetchFailure(`${url} could not be read to its end`, null, cause);
    }
    return text + decoder.decode();
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
