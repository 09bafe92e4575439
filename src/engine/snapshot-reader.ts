import type { IndexAddress, SearchDefinition } from "./derived-index.ts";
import type { Read, ReadResult } from "./persistence.ts";
import type { TextQuery } from "./text/score.ts";
import type { SnapshotMatches } from "./text/text-index.ts";
import type { Timestamp } from "./timestamp.ts";

/**
 * What a transaction reads through: always one snapshot. A query's reader pins the snapshot with its first read;
 * the Transactor's reads memory first and throws `ConflictError` as soon as a read can't belong to the snapshot.
 */
export interface SnapshotReader {
  /** Timestamp of the snapshot, `null` while no read has pinned it. Once set it never changes. */
  readonly snapshotTs: Timestamp | null;
  /** Results in the order of `reads`. One round trip to storage at most. */
  read<const R extends readonly Read[]>(reads: R): Promise<{ readonly [I in keyof R]: ReadResult<R[I]> }>;
  /**
   * The best `limit` matches of an index, and the documents of which it may not have what the snapshot has. `wanted`:
   * how many of their documents will be read next.
   */
  search(
    index: IndexAddress<SearchDefinition>,
    query: TextQuery,
    limit: number,
    wanted: number,
  ): Promise<SnapshotMatches>;
}

/** A control-flow signal, never shown to user code: the transaction must be run again from its start. */
export class ConflictError extends Error {
  override readonly name = "ConflictError";
  /** Table whose documents changed, for the text of E-C-12. */
  readonly table: string;

  constructor(table: string) {
    super(`Documents of table "${table}" changed after the transaction began.`);
    this.table = table;
  }
}

/** A control-flow signal: the snapshot was read under a newer catalog than the one the transaction began with. */
export class CatalogChangedError extends Error {
  override readonly name = "CatalogChangedError";
}
