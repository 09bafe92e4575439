import type { VectorHit } from "../../engine/vector-index.ts";

/** The best hits of all that are offered: highest scores, among equal ones the lowest ids. */
export class TopHits {
  readonly #limit: number;
  /** A heap with the worst hit in front. */
  readonly #heap: VectorHit[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Score below which nothing can be among the best any more. An equal one still can. */
  get floor(): number {
    return this.#heap.length < this.#limit ? Number.NEGATIVE_INFINITY : (this.#heap[0]?.score ?? 0);
  }

  offer(hit: VectorHit): void {
    const heap = this.#heap;
    if (heap.length < this.#limit) {
      heap.push(hit);
      this.#raise(heap.length - 1);
      return;
    }
    const worst = heap[0];
    if (worst === undefined || !isWorse(worst, hit)) return;
    heap[0] = hit;
    this.#sink();
  }

  /** Best first. */
  sorted(): readonly VectorHit[] {
    return this.#heap.toSorted((a, b) => (isWorse(a, b) ? 1 : -1));
  }

  #raise(at: number): void {
    for (let child = at; child > 0;) {
      const parent = (child - 1) >> 1;
      if (!this.#swapIfWorse(child, parent)) return;
      child = parent;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    for (let parent = 0; ;) {
      let child = 2 * parent + 1;
      const left = heap[child];
      const right = heap[child + 1];
      if (left === undefined) return;
      if (right !== undefined && isWorse(right, left)) child++;
      if (!this.#swapIfWorse(child, parent)) return;
      parent = child;
    }
  }

  #swapIfWorse(child: number, parent: number): boolean {
    const heap = this.#heap;
    const [a, b] = [heap[child], heap[parent]];
    if (a === undefined || b === undefined || !isWorse(a, b)) return false;
    heap[child] = b;
    heap[parent] = a;
    return true;
  }
}

function isWorse(a: VectorHit, b: VectorHit): boolean {
  return a.score < b.score || (a.score === b.score && a.id > b.id);
}
