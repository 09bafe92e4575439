import type { Brand } from "../shared/brand.ts";

/**
 * Commit timestamp: integer microseconds since the Unix epoch, strictly increasing per transaction.
 * Microseconds, because D1 hands integers to JavaScript as doubles and nanoseconds do not fit in 2^53.
 * On the wire it is multiplied by 1000 (`wire.md` §1.2).
 */
export type Timestamp = Brand<number, "Timestamp">;

/** As clients count. */
export function nanoseconds(ts: Timestamp): bigint {
  return BigInt(ts) * 1000n;
}
