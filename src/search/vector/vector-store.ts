import type { FollowState } from "../../engine/derived-index.ts";
import type { Interval } from "../../engine/interval.ts";
import type { InternalId } from "../../engine/names.ts";
import type { Timestamp } from "../../engine/timestamp.ts";

/** A vector of length 1 in its place. */
export interface StoredVector {
  readonly slot: number;
  readonly id: InternalId;
  readonly unit: Float32Array;
  /** Keys (`encodeValue`) of the values of the filter fields, in the order of the index's definition. */
  readonly filters: readonly string[];
}

export interface PlacedVector {
  readonly id: InternalId;
  readonly slot: number;
  /** Of the document version that it was made from. */
  readonly ts: Timestamp;
}

/**
 * The exact vectors of one index and how far they follow the database. Slots are small numbers that the index gives
 * out; each holds one vector.
 */
export interface VectorStore {
  readonly state: FollowState | null;
  setState(state: FollowState): void;
  /** All of the body or nothing. */
  atomically(body: () => void): void;
  find(id: InternalId): PlacedVector | null;
  within(interval: Interval): readonly PlacedVector[];
  /** Puts a vector into its slot, or another into the slot of the same document. */
  put(vector: StoredVector, ts: Timestamp): void;
  delete(id: InternalId): void;
  /** Those of the slots that hold something, in any order. */
  get(slots: readonly number[]): readonly StoredVector[];
  /** Vectors by slot, at most `limit`, from `slot` on. */
  scan(slot: number, limit: number): readonly StoredVector[];
  clear(): void;
}
