import { must } from "../../shared/assert.ts";

/** Largest code: one byte, and symmetric. */
const LARGEST_CODE = 127;

const CHUNK_BYTES = 1024 * 1024;

/** Rounding of everything below that is not accounted for otherwise: sums in float64, results in float32. */
const SLACK = 2e-6;

/** Lengths of unit vectors in float32 are 1 up to this factor. */
const LENGTH = 1 + 1e-6;

/** A vector that may be among the best, and what its similarity can be at most. */
export interface Candidate {
  readonly slot: number;
  readonly upper: number;
}

interface Chunk {
  /** `LARGEST_CODE` stands for `scales[i] * LARGEST_CODE`. */
  readonly codes: Int8Array;
  /** 0: the slot is empty. */
  readonly present: Uint8Array;
  readonly scales: Float32Array;
  /** Length of what the codes miss of the vector, rounded up. */
  readonly errors: Float32Array;
  /** Hashes of the values of the filter fields, field after field. */
  readonly hashes: readonly Uint32Array[];
}

/** A condition on a filter field, by the hash of the value. */
export interface HashedEquality {
  readonly field: number;
  readonly hash: number;
}

/** A query in whole numbers: `codes / scale`, of which the vector differs by a length of `error`. */
interface QuantizedQuery {
  readonly codes: Int32Array;
  readonly scale: number;
  readonly error: number;
}

/**
 * Vectors of a byte per dimension, with a bound on what the rounding may do to a similarity: by Cauchy–Schwarz, for a
 * vector v = s·c + e and a query q = p/P + f, both of length 1,
 *
 *   |q·v − s·(c·p)/P| = |q·e + f·(s·c)| ≤ |e| + |f|·(1 + |e|)
 *
 * so whoever looks at every candidate whose upper bound reaches the k-th best lower bound misses none of the k best.
 */
export class QuantizedVectors {
  readonly #dimensions: number;
  readonly #filterFields: number;
  readonly #chunkSlots: number;
  readonly #chunks: Chunk[] = [];
  /** Most slots that may be held. */
  readonly capacity: number;
  #approximate = new Float32Array(0);

  constructor(dimensions: number, filterFields: number, maxBytes: number) {
    this.#dimensions = dimensions;
    this.#filterFields = filterFields;
    const slotBytes = dimensions + 9 + 4 * filterFields + 4;
    this.#chunkSlots = Math.max(1, Math.floor(Math.min(CHUNK_BYTES, maxBytes) / slotBytes));
    // In whole chunks, the scratch array included.
    this.capacity = Math.floor(maxBytes / (this.#chunkSlots * slotBytes)) * this.#chunkSlots;
  }

  /** Of all arrays that are held. */
  get bytes(): number {
    let bytes = this.#approximate.byteLength;
    for (const { codes, present, scales, errors, hashes } of this.#chunks) {
      bytes += codes.byteLength + present.byteLength + scales.byteLength + errors.byteLength;
      for (const hash of hashes) bytes += hash.byteLength;
    }
    return bytes;
  }

  clear(): void {
    this.#chunks.length = 0;
  }

  set(slot: number, unit: Float32Array, hashes: readonly number[]): void {
    const { chunk, at } = this.#place(slot);
    let largest = 0;
    for (const value of unit) largest = Math.max(largest, Math.abs(value));
    const scale = Math.fround(largest / LARGEST_CODE);
    const offset = at * this.#dimensions;
    let squares = 0;
    for (let i = 0; i < unit.length; i++) {
      const value = unit[i] ?? 0;
      const code = scale === 0 ? 0 : Math.max(-LARGEST_CODE, Math.min(LARGEST_CODE, Math.round(value / scale)));
      chunk.codes[offset + i] = code;
      squares += (value - scale * code) ** 2;
    }
    chunk.scales[at] = scale;
    chunk.errors[at] = Math.sqrt(squares) * (1 + 1e-6) + 1e-9;
    chunk.present[at] = 1;
    for (const [field, hash] of hashes.entries()) must(chunk.hashes[field], "filter field")[at] = hash;
  }

  delete(slot: number): void {
    const chunk = this.#chunks[Math.floor(slot / this.#chunkSlots)];
    if (chunk !== undefined) chunk.present[slot % this.#chunkSlots] = 0;
  }

  /**
   * Every vector that can be among the `limit` best of those that fulfil one of the conditions, by descending upper
   * bound. Equal hashes may belong to different values: with conditions, whoever finds such a one and is left with
   * fewer than `limit` must ask again with `all`, which leaves nothing out.
   */
  candidates(
    unit: Float32Array,
    conditions: readonly HashedEquality[] | null,
    limit: number | "all",
  ): readonly Candidate[] {
    const query = quantizeQuery(unit);
    const { approximate, threshold } = this.#approximateAll(query, conditions, limit);
    const found: Candidate[] = [];
    for (const [n, chunk] of this.#chunks.entries()) {
      const first = n * this.#chunkSlots;
      for (let at = 0; at < this.#chunkSlots; at++) {
        const value = approximate[first + at] ?? Number.NEGATIVE_INFINITY;
        if (value === Number.NEGATIVE_INFINITY) continue;
        const upper = value + bound(chunk.errors[at] ?? 0, query.error);
        if (upper >= threshold) found.push({ slot: first + at, upper });
      }
    }
    return found.toSorted((a, b) => b.upper - a.upper);
  }

  /** Approximate similarities by slot, −∞ where nothing matches, and the `limit`-th best lower bound. */
  #approximateAll(
    query: QuantizedQuery,
    conditions: readonly HashedEquality[] | null,
    limit: number | "all",
  ): { readonly approximate: Float32Array; readonly threshold: number } {
    const dimensions = this.#dimensions;
    const slots = this.#chunks.length * this.#chunkSlots;
    if (this.#approximate.length < slots) this.#approximate = new Float32Array(slots);
    const approximate = this.#approximate;
    const best = limit === "all" ? null : new LargestNumbers(limit);
    for (const [n, chunk] of this.#chunks.entries()) {
      const first = n * this.#chunkSlots;
      for (let at = 0; at < this.#chunkSlots; at++) {
        if (chunk.present[at] === 0 || !matches(chunk, at, conditions)) {
          approximate[first + at] = Number.NEGATIVE_INFINITY;
          continue;
        }
        const product = dot(chunk.codes, at * dimensions, query.codes, dimensions);
        const value = (product / query.scale) * (chunk.scales[at] ?? 0);
        approximate[first + at] = value;
        best?.offer(value - bound(chunk.errors[at] ?? 0, query.error));
      }
    }
    return { approximate, threshold: best?.smallest ?? Number.NEGATIVE_INFINITY };
  }

  #place(slot: number): { readonly chunk: Chunk; readonly at: number } {
    const number = Math.floor(slot / this.#chunkSlots);
    while (this.#chunks.length <= number) this.#chunks.push(this.#newChunk());
    return { chunk: must(this.#chunks[number], "chunk"), at: slot % this.#chunkSlots };
  }

  #newChunk(): Chunk {
    const slots = this.#chunkSlots;
    return {
      codes: new Int8Array(slots * this.#dimensions),
      present: new Uint8Array(slots),
      scales: new Float32Array(slots),
      errors: new Float32Array(slots),
      hashes: Array.from({ length: this.#filterFields }, () => new Uint32Array(slots)),
    };
  }
}

/** How far an approximate similarity may be from the exact one. */
function bound(vectorError: number, queryError: number): number {
  return vectorError * LENGTH + queryError * (LENGTH + vectorError) + SLACK;
}

function matches(chunk: Chunk, at: number, conditions: readonly HashedEquality[] | null): boolean {
  if (conditions === null) return true;
  for (const { field, hash } of conditions) if (chunk.hashes[field]?.[at] === hash) return true;
  return false;
}

/** As fine as the sum of the products allows, which must stay within 32 bits: |c·p| ≤ 127·(P·|q|₁ + n/2). */
function quantizeQuery(unit: Float32Array): QuantizedQuery {
  let sum = 0;
  for (const value of unit) sum += Math.abs(value);
  const codes = new Int32Array(unit.length);
  if (sum === 0) return { codes, scale: 1, error: 0 };
  const scale = Math.min(2 ** 30, Math.floor((2 ** 31 - 1) / LARGEST_CODE - unit.length) / sum);
  let squares = 0;
  for (let i = 0; i < unit.length; i++) {
    const value = unit[i] ?? 0;
    const code = Math.round(value * scale);
    codes[i] = code;
    squares += (value - code / scale) ** 2;
  }
  return { codes, scale, error: Math.sqrt(squares) * (1 + 1e-6) + 1e-9 };
}

/** Four sums at a time, or each addition would wait for the one before. */
function dot(codes: Int8Array, offset: number, query: Int32Array, dimensions: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = 0;
  for (; i + 3 < dimensions; i += 4) {
    a = (a + Math.imul(codes[offset + i] ?? 0, query[i] ?? 0)) | 0;
    b = (b + Math.imul(codes[offset + i + 1] ?? 0, query[i + 1] ?? 0)) | 0;
    c = (c + Math.imul(codes[offset + i + 2] ?? 0, query[i + 2] ?? 0)) | 0;
    d = (d + Math.imul(codes[offset + i + 3] ?? 0, query[i + 3] ?? 0)) | 0;
  }
  for (; i < dimensions; i++) a = (a + Math.imul(codes[offset + i] ?? 0, query[i] ?? 0)) | 0;
  return a + b + c + d;
}

/** The largest numbers offered; a heap with the smallest of them in front. */
class LargestNumbers {
  readonly #limit: number;
  readonly #heap: number[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** −∞ until there are as many as wanted. */
  get smallest(): number {
    return this.#heap.length < this.#limit ? Number.NEGATIVE_INFINITY : (this.#heap[0] ?? 0);
  }

  offer(value: number): void {
    const heap = this.#heap;
    if (heap.length < this.#limit) {
      heap.push(value);
      if (heap.length === this.#limit) heap.sort((a, b) => a - b);
      return;
    }
    if (value <= (heap[0] ?? 0)) return;
    heap[0] = value;
    for (let parent = 0; ;) {
      let child = 2 * parent + 1;
      const left = heap[child];
      const right = heap[child + 1];
      if (left === undefined) return;
      if (right !== undefined && right < left) child++;
      const smaller = heap[child] ?? 0;
      const larger = heap[parent] ?? 0;
      if (larger <= smaller) return;
      heap[child] = larger;
      heap[parent] = smaller;
      parent = child;
    }
  }
}
