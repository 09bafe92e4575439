import type { JsonValue } from "../shared/json.ts";
import type { InternalId, TableId } from "./names.ts";
import type { StoredDocument, TableRow } from "./persistence.ts";

/** A document's parsed ConvexJSON beside its stored form. */
export interface WrittenDocument {
  readonly value: JsonValue;
  readonly json: string;
  readonly size: number;
  /** True while the document holds `{"$commitTs":null}`, resolved when the commit timestamp is known. */
  readonly hasCommitTs: boolean;
}

/** Net effect of a transaction on one document: the version it began with and the one it leaves. */
export interface DocumentWrite {
  readonly tableId: TableId;
  readonly id: InternalId;
  readonly before: StoredDocument | null;
  readonly after: WrittenDocument | null;
}

/** A table that the transaction brought into existence. Ids are allocated by the Transactor while it runs. */
export interface NewTable {
  readonly table: TableRow;
}

/** What a transaction asks the committer to store. `before: null, after: null` writes are left out. */
export interface WriteSet {
  readonly documents: readonly DocumentWrite[];
  readonly newTables: readonly NewTable[];
}
