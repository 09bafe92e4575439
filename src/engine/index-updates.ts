import type { JsonValue } from "../shared/json.ts";
import { keyIn } from "./index-definition.ts";
import { idKey } from "./index-key.ts";
import type { IndexKey, TableId } from "./names.ts";
import type { IndexEntry, IndexRef, IndexRow } from "./persistence.ts";
import { indexRef, tableRef } from "./read-set.ts";
import { searchKeyUpdates } from "./text/search-key-updates.ts";
import type { DocumentWrite } from "./write-set.ts";

/** The part of a `Catalog` that says which indexes a write touches. New tables must be in it by now. */
export interface IndexLookup {
  indexes(table: TableId): readonly IndexRow[];
}

export interface IndexUpdates {
  /** Keys that appeared or disappeared, in every database index whatever its state. */
  readonly entries: readonly Pick<IndexEntry, "indexId" | "key" | "deleted">[];
  /** Every key before and after, `by_id` included, none twice: what `LoggedTransaction.keys` carries. */
  readonly keys: readonly (readonly [IndexRef, IndexKey])[];
}

/** `write` must be free of unresolved commit timestamps (`resolveCommitTs`). */
export function indexUpdates(lookup: IndexLookup, write: DocumentWrite): IndexUpdates {
  const entries: Pick<IndexEntry, "indexId" | "key" | "deleted">[] = [];
  const keys: (readonly [IndexRef, IndexKey])[] = [[tableRef(write.tableId), idKey(write.id)]];
  const before: JsonValue = write.before === null ? null : JSON.parse(write.before.json);
  for (const index of lookup.indexes(write.tableId)) {
    if (index.definition.type === "search") {
      const after: JsonValue = write.after === null ? null : write.after.value;
      for (const key of searchKeyUpdates(index.definition, before, after, write.id)) {
        keys.push([indexRef(index.id), key]);
      }
      continue;
    }
    const oldKey = write.before === null ? null : keyIn(index.definition, before, write.id);
    const newKey = write.after === null ? null : keyIn(index.definition, write.after.value, write.id);
    if (oldKey !== null) keys.push([indexRef(index.id), oldKey]);
    if (oldKey === newKey) continue;
    if (oldKey !== null) entries.push({ indexId: index.id, key: oldKey, deleted: true });
    if (newKey !== null) {
      keys.push([indexRef(index.id), newKey]);
      entries.push({ indexId: index.id, key: newKey, deleted: false });
    }
  }
  return { entries, keys };
}
