import type { Catalog } from "../catalog.ts";
import type { IndexKey, InternalId, TableId } from "../names.ts";
import { dueChanges } from "../due-queue.ts";
import type {
  CatalogChange,
  DueChange,
  IndexEntry,
  IndexRef,
  LoggedTransaction,
  StoredDocument,
} from "../persistence.ts";
import type { Timestamp } from "../timestamp.ts";
import type { DocumentWrite } from "../write-set.ts";
import { catalogKeys } from "./catalog-changes.ts";
import type { WriteRules } from "./effects.ts";
import type { KeyChange } from "./write-log.ts";

/** The writes of one decided transaction, in the three forms that cache, log and storage need. */
export class IndexedWrites {
  readonly entries: IndexEntry[] = [];
  readonly due: DueChange[] = [];
  readonly documents: { readonly tableId: TableId; readonly id: InternalId; readonly after: StoredDocument | null }[] =
    [];
  readonly #keys: (readonly [IndexRef, IndexKey])[] = [];
  readonly #changes = new Map<IndexRef, KeyChange[]>();

  constructor(catalog: Catalog, rules: WriteRules, writes: readonly DocumentWrite[], ts: Timestamp) {
    for (const write of writes) {
      const { entries, keys } = rules.indexUpdates(catalog, write);
      const after = write.after === null ? null : { json: write.after.json, size: write.after.size, ts };
      this.documents.push({ tableId: write.tableId, id: write.id, after });
      this.due.push(...dueChanges(catalog.tableById(write.tableId), write));
      const gone = new Set<string>();
      for (const { indexId, key, deleted } of entries) {
        this.entries.push({ indexId, key, ts, deleted });
        if (deleted) gone.add(`i${indexId}${key}`);
      }
      for (const pair of keys) {
        const [ref, key] = pair;
        this.#keys.push(pair);
        const document = gone.size > 0 && gone.has(ref + key) ? null : after;
        const changes = this.#changes.get(ref);
        if (changes === undefined) this.#changes.set(ref, [{ key, document }]);
        else changes.push({ key, document });
      }
    }
  }

  get keys(): LoggedTransaction["keys"] {
    return this.#keys;
  }

  /** Names of tables and the rest of the catalog hold no documents, but transactions and subscribers depend on them. */
  addCatalog(change: CatalogChange): void {
    for (const pair of catalogKeys(change)) {
      const [ref, key] = pair;
      this.#keys.push(pair);
      const changes = this.#changes.get(ref);
      if (changes === undefined) this.#changes.set(ref, [{ key, document: null }]);
      else changes.push({ key, document: null });
    }
  }

  /** Names the writer in the commit log. Nobody reads this index. */
  addSignature(writer: string): void {
    this.#keys.push(["writer", writer.toUpperCase() as IndexKey]); // A random id in hex.
  }

  /** By index, sorted by key. */
  sorted(): ReadonlyMap<IndexRef, readonly KeyChange[]> {
    for (const changes of this.#changes.values()) {
      if (changes.length > 1) changes.sort((a, b) => (a.key < b.key ? -1 : 1));
    }
    return this.#changes;
  }
}
