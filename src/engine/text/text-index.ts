import { notAvailableYet } from "../../shared/coded-error.ts";
import type { IndexAddress, SearchDefinition } from "../derived-index.ts";
import type { InternalId } from "../names.ts";
import type { StoredDocument } from "../persistence.ts";
import type { Timestamp } from "../timestamp.ts";
import type { TextQuery, TextStatistics } from "./score.ts";

export interface TextHit {
  readonly id: InternalId;
  readonly score: number;
  readonly creationTime: number;
}

/** The best matches at `ts`, by `compareHits`. */
export interface TextAnswer {
  readonly ts: Timestamp;
  readonly hits: readonly TextHit[];
  /** False when there are no others. */
  readonly more: boolean;
  readonly statistics: TextStatistics;
  /** Documents of the table that changed after the timestamp asked for, up to `ts`. */
  readonly changed: readonly InternalId[];
}

export interface TextIndexes {
  /** As of `ts` or later; `ts` must be durable. 0: as of whatever the index has followed already. */
  search(index: IndexAddress<SearchDefinition>, query: TextQuery, limit: number, ts: Timestamp): Promise<TextAnswer>;
  /** Whether the index may be asked at 0 by someone who wants the newest commit: lately it had seen it already. */
  isSettled(index: IndexAddress<SearchDefinition>): boolean;
}

/** Brings what an index answered to a snapshot. */
export interface SnapshotMatches extends Pick<TextAnswer, "hits" | "more" | "statistics"> {
  /** Documents of which the hits may be outdated, as the snapshot has them; `null`: it has none. */
  readonly changed: ReadonlyMap<InternalId, StoredDocument | null>;
  /** Documents of the first hits, in so far as they were read along the way. */
  readonly documents: ReadonlyMap<InternalId, StoredDocument | null>;
}

/** Best first: higher scores, then newer documents, then by id. */
export function compareHits(a: TextHit, b: TextHit): number {
  return b.score - a.score || b.creationTime - a.creationTime || (a.id < b.id ? -1 : 1);
}

/** Where there are no text indexes. */
export const NO_TEXT_INDEXES: TextIndexes = {
  search: () => Promise.reject(notAvailableYet("Text search")),
  isSettled: () => false,
};
