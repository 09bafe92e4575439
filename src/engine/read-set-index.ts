import { IntervalIndex } from "./interval-index.ts";
import type { IndexRef } from "./persistence.ts";
import type { ReadSet } from "./read-set.ts";

/** Who depends on a key: read sets of many owners, looked up by the keys that commits log. */
export class ReadSetIndex<Owner> {
  readonly #indexes = new Map<IndexRef, IntervalIndex<Owner>>();

  get empty(): boolean {
    return this.#indexes.size === 0;
  }

  add(reads: ReadSet, owner: Owner): void {
    for (const [ref, intervals] of reads) {
      let index = this.#indexes.get(ref);
      if (index === undefined) this.#indexes.set(ref, (index = new IntervalIndex()));
      for (const interval of intervals) index.add(interval, owner);
    }
  }

  /** `reads` as they were added. */
  remove(reads: ReadSet, owner: Owner): void {
    for (const [ref, intervals] of reads) {
      const index = this.#indexes.get(ref);
      for (const interval of intervals) index?.remove(interval, owner);
      if (index?.empty === true) this.#indexes.delete(ref);
    }
  }

  /** Calls `found` for every owner that depends on the key, which it must not add or remove meanwhile. */
  hit(ref: IndexRef, key: string, found: (owner: Owner) => void): void {
    this.#indexes.get(ref)?.stab(key, found);
  }
}
