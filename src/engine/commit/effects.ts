import type { Catalog } from "../catalog.ts";
import type { InternalId, TableNumber } from "../names.ts";
import type { IndexEntry, LoggedTransaction } from "../persistence.ts";
import type { ReadSet } from "../read-set.ts";
import type { Timestamp } from "../timestamp.ts";
import type { DocumentWrite, WriteSet } from "../write-set.ts";

/** What a finished transaction depends on and asks for. */
export interface TransactionEffects {
  readonly readSet: ReadSet;
  readonly writeSet: WriteSet;
}

/** Consequences of one document write for the indexes of its table. */
export interface IndexUpdates {
  /** Only keys that appear or disappear. */
  readonly entries: readonly Pick<IndexEntry, "indexId" | "key" | "deleted">[];
  /** Every key, before and after, in every index and in `by_id`. No key twice. */
  readonly keys: LoggedTransaction["keys"];
}

/** What commit order needs to know about documents, supplied by the part of the engine that understands them. */
export interface WriteRules {
  indexUpdates(catalog: Catalog, write: DocumentWrite): IndexUpdates;
  /** Fills `{"$commitTs":null}` placeholders in. Called only when a written document has one. */
  resolveCommitTs(writes: WriteSet, ts: Timestamp): WriteSet;
  /** Text form of a document id, for error texts. */
  documentId(table: TableNumber, id: InternalId): string;
}
