import type { InternalId, TableId } from "../names.ts";
import type { StoredDocument } from "../persistence.ts";
import { GenerationalCache } from "./generational-cache.ts";

/** Map entry, key string and object headers, in bytes, roughly. */
const OVERHEAD = 250;

/**
 * Newest decided version of recently used documents, `null` for "no such document". Coherent because every decided
 * commit is applied to it before anything else runs.
 */
export class DocumentCache {
  readonly #documents: GenerationalCache<StoredDocument | null | undefined>;

  constructor(maxBytes: number) {
    this.#documents = new GenerationalCache(maxBytes);
  }

  get bytes(): number {
    return this.#documents.weight;
  }

  /** `undefined`: not known here. */
  get(tableId: TableId, id: InternalId): StoredDocument | null | undefined {
    return this.#documents.get(cacheKey(tableId, id));
  }

  set(tableId: TableId, id: InternalId, document: StoredDocument | null): void {
    this.#documents.set(cacheKey(tableId, id), document, OVERHEAD + (document?.json.length ?? 0));
  }

  /** It was written, and nobody told how it is now. */
  forget(tableId: TableId, id: InternalId): void {
    const key = cacheKey(tableId, id);
    if (this.#documents.get(key) !== undefined) this.#documents.set(key, undefined, OVERHEAD);
  }
}

function cacheKey(tableId: TableId, id: InternalId): string {
  return `${tableId}:${id}`;
}
