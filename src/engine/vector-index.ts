import type { IndexAddress, VectorDefinition } from "./derived-index.ts";
import type { InternalId } from "./names.ts";

/** `field` has the value whose key (`encodeValue`) is `key`. */
export interface FieldEquality {
  readonly field: string;
  readonly key: string;
}

export interface VectorQuery {
  /** Of the index's dimensions, all finite. */
  readonly vector: readonly number[];
  readonly limit: number;
  /** A document must fulfil at least one of these; `null`: no condition. */
  readonly anyOf: readonly FieldEquality[] | null;
}

export interface VectorHit {
  readonly id: InternalId;
  /** Cosine similarity, `similarity` of `src/search/vector/unit-vector.ts`. */
  readonly score: number;
}

/** The nearest vectors: best first, equal scores in the order of ids, as of a moment after the call. */
export interface VectorIndexes {
  search(index: IndexAddress<VectorDefinition>, query: VectorQuery): Promise<readonly VectorHit[]>;
}
