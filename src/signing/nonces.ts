/** Remembers nonces so that a signed request is accepted once. */
export interface NonceStore {
  /**
   * Whether this nonce may be used, and marks it used. `"full"`: the store can't promise that it never saw it.
   * Times in milliseconds since the epoch; after `expiresAt` the signature is refused by its age alone.
   */
  use(nonce: string, expiresAt: number, now: number): NonceUse;
}

export type NonceUse = "fresh" | "replayed" | "full";

/**
 * Nonces of one process, each kept until its signature is too old to be accepted. A full store refuses instead of
 * forgetting: forgetting would let a replay in.
 */
export class MemoryNonceStore implements NonceStore {
  readonly #expiries = new Map<string, number>();
  readonly #capacity: number;
  #nextSweep = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  use(nonce: string, expiresAt: number, now: number): NonceUse {
    this.#sweep(now);
    const known = this.#expiries.get(nonce);
    if (known !== undefined && known >= now) return "replayed";
    if (known === undefined && this.#expiries.size >= this.#capacity) return "full";
    this.#expiries.set(nonce, expiresAt);
    return "fresh";
  }

  get size(): number {
    return this.#expiries.size;
  }

  /** At most once a second, unless the store is full. */
  #sweep(now: number): void {
    if (now < this.#nextSweep && this.#expiries.size < this.#capacity) return;
    this.#nextSweep = now + 1000;
    for (const [nonce, expiresAt] of this.#expiries) {
      if (expiresAt < now) this.#expiries.delete(nonce);
    }
  }
}
