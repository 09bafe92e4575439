import { RealArrayBuffer, RealFinalizationRegistry, RealWeakRef } from "./originals.ts";

/** More address space than there is. */
const IMPOSSIBLE_BYTES = 2 ** 50;

/** Gives the bytes back when the engine has collected what held them. */
const collected = new RealFinalizationRegistry<{ readonly account: MemoryAccount; readonly allocation: Allocation }>(
  ({ account, allocation }) => account.release(allocation),
);

interface Allocation {
  readonly holder: WeakRef<object> | undefined;
  readonly bytes: number;
}

/** What one call holds in large allocations, as far as they are seen. */
export class MemoryAccount {
  readonly #limit: number;
  readonly #held = new Set<Allocation>();
  #bytes = 0;

  /** @param limit in bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False when `bytes` more would pass the limit even without what is garbage already. */
  admits(bytes: number): boolean {
    if (this.#bytes + bytes <= this.#limit) return true;
    if (bytes > this.#limit || this.#held.size === 0) return false;
    collectGarbage();
    for (const allocation of this.#held) {
      if (allocation.holder !== undefined && allocation.holder.deref() === undefined) this.release(allocation);
    }
    return this.#bytes + bytes <= this.#limit;
  }

  /** Without a holder the bytes stay counted. */
  keep(bytes: number, holder?: object): void {
    const allocation: Allocation = { bytes, holder: holder === undefined ? undefined : new RealWeakRef(holder) };
    this.#held.add(allocation);
    this.#bytes += bytes;
    if (holder !== undefined) collected.register(holder, { account: this, allocation });
  }

  release(allocation: Allocation): void {
    if (this.#held.delete(allocation)) this.#bytes -= allocation.bytes;
  }
}

/** The engine collects everything it can before it refuses an allocation that cannot be met. */
function collectGarbage(): void {
  try {
    new RealArrayBuffer(IMPOSSIBLE_BYTES);
  } catch {
    // The refusal is what was wanted.
  }
}
