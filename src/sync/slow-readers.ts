import type { Timers } from "../engine/commit/ports.ts";
import type { Clock } from "../shared/clock.ts";
import type { Client } from "./client.ts";

/** Bytes behind which a client gets no new Transition: what happens meanwhile goes into the one after. */
const HIGH_WATER_BYTES = 1024 * 1024;
const DRAIN_POLL_MS = 50;
/** A client that stays above the high-water mark for this long is closed. */
const DRAIN_TIMEOUT_MS = 30_000;

interface SlowReaderParts {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Looks at the client again. */
  readonly again: (client: Client) => void;
}

/** Clients that do not take what they are sent. Polls, as a socket does not say when it has drained. */
export class SlowReaders {
  readonly #parts: SlowReaderParts;
  readonly #slow = new Set<Client>();
  #polling = false;

  constructor(parts: SlowReaderParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#slow.size;
  }

  /** A client that is behind is looked at again later, unless it has been for too long. */
  pace(client: Client): "reads" | "behind" | "given up" {
    if (client.connection.buffered() <= HIGH_WATER_BYTES) {
      client.slowSince = null;
      return "reads";
    }
    const now = this.#parts.clock.now();
    client.slowSince ??= now;
    if (now - client.slowSince > DRAIN_TIMEOUT_MS) return "given up";
    this.#slow.add(client);
    this.#poll();
    return "behind";
  }

  forget(client: Client): void {
    this.#slow.delete(client);
  }

  #poll(): void {
    if (this.#polling) return;
    this.#polling = true;
    this.#parts.timers.after(DRAIN_POLL_MS, () => {
      this.#polling = false;
      const slow = [...this.#slow];
      this.#slow.clear();
      for (const client of slow) this.#parts.again(client);
    });
  }
}
