import type { Interval } from "./interval.ts";
import type { IndexRef } from "./persistence.ts";

/**
 * What a transaction depends on: intervals of index keys, one list per index. A commit invalidates the reader when
 * one of its logged keys falls into one of these. Plain data, so that it crosses RPC as JSON.
 */
export type ReadSet = ReadonlyMap<IndexRef, readonly Interval[]>;
