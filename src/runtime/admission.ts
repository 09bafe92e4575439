import type { Clock } from "../shared/clock.ts";
import { CodedError } from "../shared/coded-error.ts";

/** A place that was handed to somebody who does not take it is free again after this long. */
const UNCLAIMED_MS = 1_000;
/** How often a waiting call looks for places that nobody gives back. */
const LOOK_MS = 250;

export interface AdmissionOptions {
  /** Functions of this kind that run at once. */
  readonly limit: number;
  /** How long one more waits before it is refused. */
  readonly waitMs: number;
  /** Longer than any of them can run. */
  readonly maxRunMs: number;
  /** `"queries"`, for the text. */
  readonly kind: string;
  /** Follows the text of the refusal. */
  readonly note: string;
}

/** `waiting` → `granted` → `running`; a place counts from `granted` on. */
interface Place {
  state: "waiting" | "granted" | "running";
  /** Since when it is in its state. */
  since: number;
  readonly wake: () => void;
}

/**
 * How many functions of a kind run at once in this isolate (E-C-7), first come, first served. Work whose client has
 * hung up is dropped by the platform without a `finally`: so a place is given up after the longest possible run, and
 * whoever waits sees to that, by a timer of its own. While there is room nobody waits, and nothing is looked at.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #clock: Clock;
  readonly #taken = new Set<Place>();
  readonly #waiting = new Set<Place>();

  constructor(options: AdmissionOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  get running(): number {
    return this.#taken.size;
  }

  /** Runs `body` when it is its turn. Throws E-C-7 when that takes too long. */
  async admit<T>(body: () => Promise<T>): Promise<T> {
    const place = this.#hasRoom() ? this.#take() : await this.#queue();
    try {
      return await body();
    } finally {
      this.#taken.delete(place);
      this.#grant();
    }
  }

  #hasRoom(): boolean {
    return this.#waiting.size === 0 && this.#taken.size < this.#options.limit;
  }

  #take(): Place {
    const place: Place = { state: "running", since: this.#clock.now(), wake: nobody };
    this.#taken.add(place);
    return place;
  }

  async #queue(): Promise<Place> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const place: Place = { state: "waiting", since: this.#clock.now(), wake: resolve };
    this.#waiting.add(place);
    this.#grant();
    if (place.state === "waiting") await this.#wait(place, promise);
    place.state = "running";
    place.since = this.#clock.now();
    this.#taken.add(place);
    return place;
  }

  async #wait(place: Place, woken: Promise<void>): Promise<void> {
    const deadline = place.since + this.#options.waitMs;
    while (place.state === "waiting") {
      const left = deadline - this.#clock.now();
      if (left <= 0) {
        this.#waiting.delete(place);
        throw this.#refusal();
      }
      await within(woken, Math.min(left, LOOK_MS));
      this.#grant();
    }
  }

  #grant(): void {
    if (this.#waiting.size === 0) return;
    this.#giveUpLost();
    for (const place of this.#waiting) {
      if (this.#taken.size >= this.#options.limit) return;
      this.#waiting.delete(place);
      this.#taken.add(place);
      place.state = "granted";
      place.since = this.#clock.now();
      place.wake();
    }
  }

  #giveUpLost(): void {
    const now = this.#clock.now();
    for (const place of this.#taken) {
      const longest = place.state === "granted" ? UNCLAIMED_MS : this.#options.maxRunMs;
      if (now - place.since > longest) this.#taken.delete(place);
    }
    for (const place of this.#waiting) {
      if (now - place.since > this.#options.waitMs + UNCLAIMED_MS) this.#waiting.delete(place);
    }
  }

  #refusal(): CodedError {
    const { limit, kind, note } = this.#options;
    return new CodedError(
      "RateLimited",
      "TooManyConcurrentRequests",
      `Too many concurrent requests. Your backend is limited to ${limit} concurrent ${kind}.${note}`,
    );
  }
}

/** Woken by the place of a call that never waited. */
function nobody(): void {}

async function within(event: Promise<void>, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([event, promise]);
  clearTimeout(timer);
}
