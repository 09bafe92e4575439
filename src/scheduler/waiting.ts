import type { IndexKey } from "../engine/names.ts";

/** Keys in memory; the queue in the database holds the rest. */
const MOST = 4_096;

/** Due jobs that wait for a free place, first come, first served, none twice. */
export class Waiting {
  readonly #keys = new Map<string, IndexKey>();

  get size(): number {
    return this.#keys.size;
  }

  /** False: there is no room. */
  add(id: string, key: IndexKey): boolean {
    if (this.#keys.size >= MOST && !this.#keys.has(id)) return false;
    this.#keys.set(id, key);
    return true;
  }

  take(): IndexKey | null {
    const [first] = this.#keys;
    if (first === undefined) return null;
    this.#keys.delete(first[0]);
    return first[1];
  }
}
