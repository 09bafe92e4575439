import type { Interval } from "./interval.ts";
import type { IndexId, InternalId, TableId } from "./names.ts";
import type { IndexDefinition, StoredDocument } from "./persistence.ts";
import type { Timestamp } from "./timestamp.ts";

/** Indexes that no commit writes: they follow the documents of their table. */
export type DerivedDefinition = Exclude<IndexDefinition, { type: "database" }>;

export type VectorDefinition = Extract<IndexDefinition, { type: "vector" }>;
export type SearchDefinition = Extract<IndexDefinition, { type: "search" }>;

/** One of them, as whoever uses it knows it from the catalog. */
export interface IndexAddress<Definition extends DerivedDefinition = DerivedDefinition> {
  readonly indexId: IndexId;
  readonly tableId: TableId;
  readonly definition: Definition;
}

/** How far an index that lives outside the database has followed it. */
export interface FollowState {
  /** The index holds every commit up to here, of the documents behind the cursor. */
  readonly ts: Timestamp;
  /** Internal id up to which documents have been read, while the index is being built; `null`: all of them were. */
  readonly cursor: string | null;
  /** The newest change it has followed: by it an index notices that the database was taken back to an earlier time. */
  readonly newest?: NewestChange;
}

export interface NewestChange {
  readonly id: InternalId;
  /** Of the version that the document had then; `null`: it was gone. */
  readonly version: Timestamp | null;
}

export interface DocumentChange {
  readonly id: InternalId;
  /** `null`: the document is gone. */
  readonly document: StoredDocument | null;
}

/** An index derived from documents: it can be lost at any time and is then made again. Every call is atomic. */
export interface DerivedIndex {
  readonly state: FollowState | null;
  /** Brings into memory what has to be there. Before anything else, and again after it failed. */
  open(): Promise<void>;
  /** The documents as they are now. Applying the same twice changes nothing. */
  apply(changes: readonly DocumentChange[], state: FollowState): void;
  /** All documents of the table whose ids lie in the interval: what else is indexed there goes. */
  replace(interval: Interval, documents: readonly DocumentChange[], state: FollowState): void;
  /** Forgets everything. */
  clear(): void;
}

/** For pushes, which wait until new indexes are complete. */
export interface DerivedIndexes {
  /** Works for about `budgetMs`. True: the index is complete. Calling again goes on. */
  build(index: IndexAddress, budgetMs: number): Promise<boolean>;
}
