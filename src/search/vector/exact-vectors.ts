import type { DerivedIndex, DocumentChange, FollowState, VectorDefinition } from "../../engine/derived-index.ts";
import type { Interval } from "../../engine/interval.ts";
import type { InternalId } from "../../engine/names.ts";
import type { StoredDocument } from "../../engine/persistence.ts";
import type { FieldEquality, VectorHit, VectorQuery } from "../../engine/vector-index.ts";
import type { JsonValue } from "../../shared/json.ts";
import { type HashedEquality, QuantizedVectors } from "./quantized-vectors.ts";
import { TopHits } from "./top-hits.ts";
import { similarity, unitVector } from "./unit-vector.ts";
import { vectorFields } from "./vector-fields.ts";
import type { StoredVector, VectorStore } from "./vector-store.ts";

const LOAD_BATCH = 256;

/** Candidates whose exact vectors are looked at together. */
const RANK_BATCH = 32;

export interface ExactVectorsParts {
  readonly store: VectorStore;
  readonly definition: VectorDefinition;
  readonly memoryBytes: number;
  readonly pause: () => Promise<void>;
  /** Of the key of a filter value, 32 bits. */
  readonly hash?: (key: string) => number;
}

/**
 * The vectors of one index. Every search finds exactly the nearest: bytes in memory say which can be among them, and
 * those are compared as stored. What does not fit into memory is compared as stored, all of it.
 *
 *   slots  0 … capacity − 1   quantized in memory, exact in the store
 *          capacity …         exact in the store
 */
export class ExactVectors implements DerivedIndex {
  readonly #parts: ExactVectorsParts;
  readonly #quantized: QuantizedVectors;
  readonly #hash: (key: string) => number;
  /** Slots below `#end` that hold nothing. */
  #free: number[] = [];
  /** Slots from here on have never been used. */
  #end = 0;

  constructor(parts: ExactVectorsParts) {
    const { definition, memoryBytes, hash = fnv1a } = parts;
    this.#parts = parts;
    this.#quantized = new QuantizedVectors(definition.dimensions, definition.filterFields.length, memoryBytes);
    this.#hash = hash;
  }

  get state(): FollowState | null {
    return this.#parts.store.state;
  }

  /** Bytes held in memory. */
  get bytes(): number {
    return this.#quantized.bytes;
  }

  async open(): Promise<void> {
    const { store, pause } = this.#parts;
    this.#quantized.clear();
    this.#free = [];
    this.#end = 0;
    for (;;) {
      const rows = store.scan(this.#end, LOAD_BATCH);
      for (const row of rows) {
        for (; this.#end < row.slot; this.#end++) this.#free.push(this.#end);
        this.#end = row.slot + 1;
        this.#remember(row);
      }
      if (rows.length < LOAD_BATCH) break;
      await pause();
    }
    // The lowest are used first: they are the ones in memory.
    this.#free.reverse();
  }

  apply(changes: readonly DocumentChange[], state: FollowState): void {
    this.#atomically(state, () => {
      for (const { id, document } of changes) this.#put(id, document);
    });
  }

  replace(interval: Interval, documents: readonly DocumentChange[], state: FollowState): void {
    this.#atomically(state, () => {
      const present = new Map(this.#parts.store.within(interval).map((placed) => [placed.id, placed]));
      for (const { id, document } of documents) {
        const placed = present.get(id);
        present.delete(id);
        if (placed === undefined || placed.ts !== document?.ts) this.#put(id, document);
      }
      for (const id of present.keys()) this.#remove(id);
    });
  }

  clear(): void {
    this.#parts.store.clear();
    this.#quantized.clear();
    this.#free = [];
    this.#end = 0;
  }

  search({ vector, limit, anyOf }: VectorQuery): readonly VectorHit[] {
    const unit = unitVector(vector);
    const filter = anyOf === null ? null : this.#filter(anyOf);
    const top = new TopHits(limit);
    this.#searchMemory(unit, limit, filter, top);
    this.#searchStore(unit, filter, top);
    return top.sorted();
  }

  #searchMemory(unit: Float32Array, limit: number, filter: Filter | null, top: TopHits): void {
    const conditions = filter?.hashed ?? null;
    const candidates = this.#quantized.candidates(unit, conditions, limit);
    const complete = this.#rank(
      candidates.map(({ slot, upper }) => ({ slot, upper })),
      unit,
      filter,
      top,
    );
    if (complete) return;
    // Some only looked as if they fulfilled the conditions, and have kept others out.
    const seen = new Set(candidates.map(({ slot }) => slot));
    const rest = this.#quantized.candidates(unit, conditions, "all").filter(({ slot }) => !seen.has(slot));
    this.#rank(rest, unit, filter, top);
  }

  /** False: one of them does not fulfil the conditions. */
  #rank(
    candidates: readonly { readonly slot: number; readonly upper: number }[],
    unit: Float32Array,
    filter: Filter | null,
    top: TopHits,
  ): boolean {
    let complete = true;
    for (let start = 0; start < candidates.length; start += RANK_BATCH) {
      const batch = candidates.slice(start, start + RANK_BATCH).filter(({ upper }) => upper >= top.floor);
      // By descending bound: the others can't be among the best either.
      if (batch.length === 0) break;
      for (const row of this.#parts.store.get(batch.map(({ slot }) => slot))) {
        if (filter !== null && !filter.holds(row)) complete = false;
        else top.offer({ id: row.id, score: similarity(unit, row.unit) });
      }
    }
    return complete;
  }

  #searchStore(unit: Float32Array, filter: Filter | null, top: TopHits): void {
    for (let slot = this.#quantized.capacity; slot < this.#end;) {
      const rows = this.#parts.store.scan(slot, LOAD_BATCH);
      for (const row of rows) {
        if (filter === null || filter.holds(row)) top.offer({ id: row.id, score: similarity(unit, row.unit) });
      }
      const last = rows.at(-1);
      if (last === undefined) return;
      slot = last.slot + 1;
    }
  }

  #filter(anyOf: readonly FieldEquality[]): Filter {
    const { filterFields } = this.#parts.definition;
    const conditions = anyOf.map(({ field, key }) => ({ field: filterFields.indexOf(field), key }));
    return {
      hashed: conditions.map(({ field, key }) => ({ field, hash: this.#hash(key) })),
      holds: ({ filters }) => conditions.some(({ field, key }) => filters[field] === key),
    };
  }

  #put(id: InternalId, document: StoredDocument | null): void {
    const { store, definition } = this.#parts;
    const value: JsonValue = document === null ? null : JSON.parse(document.json);
    const fields = vectorFields(definition, value);
    if (document === null || fields === null) {
      this.#remove(id);
      return;
    }
    const placed = store.find(id);
    const slot = placed === null ? this.#takeSlot() : placed.slot;
    const row = { slot, id, ...fields };
    store.put(row, document.ts);
    this.#remember(row);
  }

  #remove(id: InternalId): void {
    const { store } = this.#parts;
    const placed = store.find(id);
    if (placed === null) return;
    store.delete(id);
    this.#quantized.delete(placed.slot);
    this.#free.push(placed.slot);
  }

  #remember({ slot, unit, filters }: StoredVector): void {
    if (slot < this.#quantized.capacity) this.#quantized.set(slot, unit, filters.map(this.#hash));
  }

  #takeSlot(): number {
    return this.#free.pop() ?? this.#end++;
  }

  /** Memory that went ahead of a store that failed is made again: by `open`, which follows every failure. */
  #atomically(state: FollowState, body: () => void): void {
    const { store } = this.#parts;
    store.atomically(() => {
      body();
      store.setState(state);
    });
  }
}

interface Filter {
  readonly hashed: readonly HashedEquality[];
  readonly holds: (row: StoredVector) => boolean;
}

/** 32-bit FNV-1a. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
