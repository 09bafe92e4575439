interface Entry<V> {
  readonly value: V;
  readonly weight: number;
}

/**
 * A bounded cache that forgets what was not used for about half of its capacity. Two maps instead of one in order of
 * use, because deleting a key and setting it again, the usual way to keep that order, leaves a hole in the map's
 * hash chain each time: a hot key in a large map then costs hundreds of microseconds.
 */
export class GenerationalCache<V> {
  readonly #maxWeight: number;
  #young = new Map<string, Entry<V>>();
  #old = new Map<string, Entry<V>>();
  #youngWeight = 0;
  #oldWeight = 0;

  constructor(maxWeight: number) {
    this.#maxWeight = maxWeight;
  }

  get weight(): number {
    return this.#youngWeight + this.#oldWeight;
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young.value;
    const old = this.#old.get(key);
    if (old === undefined) return undefined;
    this.#add(key, old);
    return old.value;
  }

  set(key: string, value: V, weight: number): void {
    this.#add(key, { value, weight });
  }

  #add(key: string, entry: Entry<V>): void {
    const replaced = this.#young.get(key);
    this.#young.set(key, entry);
    this.#youngWeight += entry.weight - (replaced?.weight ?? 0);
    if (this.#youngWeight <= this.#maxWeight / 2) return;
    this.#old = this.#young;
    this.#oldWeight = this.#youngWeight;
    this.#young = new Map();
    this.#youngWeight = 0;
  }
}
