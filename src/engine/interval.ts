/**
 * A range of index keys: `start` inclusive, `end` exclusive, `null` = no upper bound. Bounds are hex strings like
 * `IndexKey` but need not be complete keys: a prefix bounds everything below it.
 */
export interface Interval {
  readonly start: string;
  readonly end: string | null;
}

export const EVERYTHING: Interval = { start: "", end: null };
