import type { Log } from "../../shared/log.ts";

/** What a receiver made of a request. */
export type Delivery =
  | { readonly kind: "taken" }
  /** It will never take it. */
  | { readonly kind: "refused"; readonly reason: string }
  | {
      readonly kind: "later";
      readonly reason: string;
      /** Milliseconds it asked to be left alone for. */
      readonly afterMs: number | null;
    };

export interface EventQueueParts {
  /** Of the stream, in warnings. */
  readonly name: string;
  /** Delivers events in one request. Never throws. */
  readonly deliver: (events: readonly string[]) => Promise<Delivery>;
  readonly pause: (ms: number) => Promise<void>;
  /** From 0 to 1. */
  readonly jitter: () => number;
  readonly keepAlive: (work: Promise<void>) => void;
  readonly log: Log;
  readonly limits?: Partial<EventQueueLimits>;
}

export interface EventQueueLimits {
  /** Events and characters that wait. Of more, the oldest are dropped. */
  readonly events: number;
  readonly characters: number;
  /** Events and characters of one request. A longer event goes alone. */
  readonly batchEvents: number;
  readonly batchCharacters: number;
  /** How long events wait for others. */
  readonly gatherMs: number;
}

const DEFAULT_LIMITS: EventQueueLimits = {
  events: 10_000,
  characters: 8 * 1024 * 1024,
  batchEvents: 500,
  batchCharacters: 512 * 1024,
  gatherMs: 200,
};

const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 30_000;
/** Of a receiver that says when to come back. */
const MAX_ASKED_MS = 60_000;

/**
 * Events on their way to a receiver, in memory, in order, one request at a time. What can't be delivered now stays and
 * is tried again until newer events need its place.
 */
export class EventQueue {
  readonly #parts: EventQueueParts;
  readonly #limits: EventQueueLimits;
  /** Oldest first. Those being delivered are still among them. */
  #waiting: string[] = [];
  #characters = 0;
  /** Events that ever left: how far those being delivered have moved meanwhile. */
  #left = 0;
  #dropped = 0;
  #sending = false;

  constructor(parts: EventQueueParts) {
    this.#parts = parts;
    this.#limits = { ...DEFAULT_LIMITS, ...parts.limits };
  }

  add(events: readonly string[]): void {
    for (const event of events) {
      this.#waiting.push(event);
      this.#characters += event.length;
    }
    let excess = 0;
    let characters = this.#characters;
    while (this.#waiting.length - excess > this.#limits.events || characters > this.#limits.characters) {
      characters -= this.#waiting[excess]?.length ?? 0;
      excess++;
    }
    if (excess > 0) this.#dropped += this.#leave(excess);
    if (this.#sending || this.#waiting.length === 0) return;
    this.#sending = true;
    this.#parts.keepAlive(this.#send());
  }

  async #send(): Promise<void> {
    const { name, deliver, pause, log } = this.#parts;
    let failures = 0;
    try {
      while (this.#waiting.length > 0) {
        if (failures === 0 && this.#waiting.length < this.#limits.batchEvents) await pause(this.#limits.gatherMs);
        this.#tellDropped();
        const batch = this.#batch();
        const end = this.#left + batch.length;
        const delivery = await deliver(batch);
        if (delivery.kind === "later") {
          failures++;
          log.warn("logStream.waits", { stream: name, reason: delivery.reason, events: this.#waiting.length });
          await pause(this.#backoff(failures, delivery.afterMs));
          continue;
        }
        failures = 0;
        if (delivery.kind === "refused") {
          log.warn("logStream.refused", { stream: name, reason: delivery.reason, events: batch.length });
        }
        this.#leave(Math.max(0, end - this.#left));
      }
    } finally {
      this.#sending = false;
    }
    this.#tellDropped();
  }

  #batch(): readonly string[] {
    const { batchEvents, batchCharacters } = this.#limits;
    let characters = 0;
    let count = 0;
    while (count < Math.min(batchEvents, this.#waiting.length)) {
      characters += this.#waiting[count]?.length ?? 0;
      if (count > 0 && characters > batchCharacters) break;
      count++;
    }
    return this.#waiting.slice(0, count);
  }

  /** The oldest leave. Returns how many. */
  #leave(count: number): number {
    for (const event of this.#waiting.splice(0, count)) this.#characters -= event.length;
    this.#left += count;
    return count;
  }

  #backoff(failures: number, askedMs: number | null): number {
    if (askedMs !== null) return Math.min(askedMs, MAX_ASKED_MS);
    const whole = Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), MAX_BACKOFF_MS);
    return whole * (0.5 + this.#parts.jitter() / 2);
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return;
    this.#parts.log.warn("logStream.dropped", { stream: this.#parts.name, events: this.#dropped });
    this.#dropped = 0;
  }
}
