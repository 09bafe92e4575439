import { toHex } from "../shared/bytes.ts";
import { IntervalSet } from "./interval-set.ts";
import type { Interval } from "./interval.ts";
import { keyInterval } from "./index-key.ts";
import type { ComponentPath, IndexId, TableId } from "./names.ts";
import type { IndexRef } from "./persistence.ts";

/**
 * What a transaction depends on: intervals of index keys, one list per index. A commit invalidates the reader when
 * one of its logged keys falls into one of these. Plain data, so that it crosses RPC as JSON.
 */
export type ReadSet = ReadonlyMap<IndexRef, readonly Interval[]>;

export function tableRef(table: TableId): IndexRef {
  return `t${table}`;
}

export function indexRef(index: IndexId): IndexRef {
  return `i${index}`;
}

/** Where table names live in read sets and in the commit log. */
export const TABLE_NAMES: IndexRef = "tables";

/** Key of a table's name under `TABLE_NAMES`, logged when the table comes into existence. */
export function tableNameKey(component: ComponentPath, name: string): string {
  return toHex(new TextEncoder().encode(`${component}\u0000${name}`));
}

/** Collects a read set. Intervals are merged as they come. */
export class ReadSetRecorder {
  readonly #sets = new Map<IndexRef, IntervalSet>();

  addRange(ref: IndexRef, interval: Interval): void {
    let set = this.#sets.get(ref);
    if (set === undefined) {
      set = new IntervalSet();
      this.#sets.set(ref, set);
    }
    set.add(interval);
  }

  addKey(ref: IndexRef, key: string): void {
    this.addRange(ref, keyInterval(key));
  }

  addTableName(component: ComponentPath, name: string): void {
    this.addKey(TABLE_NAMES, tableNameKey(component, name));
  }

  clone(): ReadSetRecorder {
    const copy = new ReadSetRecorder();
    for (const [ref, set] of this.#sets) copy.#sets.set(ref, IntervalSet.of(set.intervals()));
    return copy;
  }

  /** A copy that holds what has been added so far. */
  snapshot(): ReadSet {
    return new Map([...this.#sets].map(([ref, set]) => [ref, set.intervals()]));
  }
}

/** True when `key` of `ref` is one that the reader depends on. */
export function dependsOn(reads: ReadSet, ref: IndexRef, key: string): boolean {
  const intervals = reads.get(ref);
  return intervals !== undefined && IntervalSet.of(intervals).contains(key);
}
