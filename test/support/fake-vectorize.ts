import type { VectorizeBinding } from "../../src/search/vectorize/binding.ts";
import { similarity, unitVector } from "../../src/search/vector/unit-vector.ts";

type Vector = Parameters<VectorizeBinding["upsert"]>[0][number];

/** Cloudflare Vectorize as far as its documentation goes: changes are shown when they are processed, much later. */
export class FakeVectorize implements VectorizeBinding {
  readonly #dimensions: number;
  readonly #shown = new Map<string, Vector>();
  readonly #waiting: { readonly mutationId: string; readonly apply: () => void }[] = [];
  #mutations = 0;
  #processed = "";
  failing = false;
  queries = 0;

  constructor(dimensions: number) {
    this.#dimensions = dimensions;
  }

  get size(): number {
    return this.#shown.size;
  }

  /** Processes the oldest changes. */
  process(count = Number.POSITIVE_INFINITY): void {
    for (const { mutationId, apply } of this.#waiting.splice(0, Math.min(count, this.#waiting.length))) {
      apply();
      this.#processed = mutationId;
    }
  }

  async describe() {
    this.#check();
    return { dimensions: this.#dimensions, processedUpToDatetime: 0, processedUpToMutation: this.#processed };
  }

  async query(...[vector, { topK, namespace, filter }]: Parameters<VectorizeBinding["query"]>) {
    this.#check();
    this.queries++;
    if (topK > 100) throw new Error("VECTOR_QUERY_ERROR: topK is at most 100");
    const unit = unitVector(vector);
    const matches = [...this.#shown.values()]
      .filter((one) => one.namespace === namespace)
      .filter(({ metadata }) => Object.entries(filter ?? {}).every(([name, value]) => metadata[name] === value))
      .map(({ id, values }) => ({ id, score: similarity(unit, unitVector(values)) }))
      .toSorted((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
    return { matches: matches.slice(0, topK) };
  }

  async upsert(vectors: Vector[]) {
    this.#check();
    for (const { id, values, metadata } of vectors) {
      if (new TextEncoder().encode(id).length > 64) throw new Error("ids have at most 64 bytes");
      if (values.length !== this.#dimensions) throw new Error("wrong dimensions");
      if (Object.keys(metadata).length > 10) throw new Error("too many metadata indexes");
      if (Object.values(metadata).some((value) => new TextEncoder().encode(value).length > 64)) {
        throw new Error("only the first 64 bytes of metadata are indexed");
      }
    }
    const copies = structuredClone(vectors);
    return this.#later(() => {
      for (const vector of copies) this.#shown.set(vector.id, vector);
    });
  }

  async deleteByIds(ids: string[]) {
    this.#check();
    const copies = [...ids];
    return this.#later(() => {
      for (const id of copies) this.#shown.delete(id);
    });
  }

  #later(apply: () => void): { readonly mutationId: string } {
    const mutationId = `mutation ${++this.#mutations}`;
    this.#waiting.push({ mutationId, apply });
    return { mutationId };
  }

  #check(): void {
    if (this.failing) throw new Error("Vectorize failed");
  }
}
