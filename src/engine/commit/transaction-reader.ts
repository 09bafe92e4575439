import type { Catalog } from "../catalog.ts";
import type { IndexAddress, SearchDefinition } from "../derived-index.ts";
import { idOfKey } from "../index-key.ts";
import type { Interval } from "../interval.ts";
import type { InternalId } from "../names.ts";
import {
  FencedError,
  type IndexRef,
  type RangePage,
  type Read,
  type ReadResult,
  type StoredDocument,
} from "../persistence.ts";
import { CatalogChangedError, ConflictError, type SnapshotReader } from "../snapshot-reader.ts";
import { tableRef } from "../read-set.ts";
import type { TextQuery } from "../text/score.ts";
import { termIntervals } from "../text/term-keys.ts";
import type { SnapshotMatches, TextIndexes } from "../text/text-index.ts";
import type { Timestamp } from "../timestamp.ts";
import { type Conflict, evictedConflict, keyConflict, restartConflict } from "./conflict.ts";
import { indexRef, pointInterval, readInterval } from "./coverage.ts";
import type { LatestState } from "./latest-state.ts";

/**
 * What one transaction reads through. It sees one snapshot, the one it began with: a read of something written since
 * fails at once, so that neither the result nor an error of the function is ever based on a mixture.
 */
export class TransactionReader implements SnapshotReader {
  readonly #state: LatestState;
  readonly #textIndexes: TextIndexes;
  readonly snapshotTs: Timestamp;
  readonly catalog: Catalog;
  /** Why the transaction can't go on, even if the code that ran it lost the error. */
  #failure: Error | null = null;
  #conflict: Conflict | null = null;

  constructor(state: LatestState, textIndexes: TextIndexes) {
    this.#state = state;
    this.#textIndexes = textIndexes;
    this.snapshotTs = state.decidedTs;
    this.catalog = state.catalog;
  }

  get failure(): Error | null {
    return this.#failure;
  }

  get conflict(): Conflict | null {
    return this.#conflict;
  }

  async read<const R extends readonly Read[]>(reads: R): Promise<{ readonly [I in keyof R]: ReadResult<R[I]> }> {
    try {
      const results: (StoredDocument | RangePage | null)[] = [];
      const missing: number[] = [];
      for (const [i, read] of reads.entries()) {
        const known = this.#state.cached(read);
        results.push(known ?? null);
        if (known === undefined) missing.push(i);
        else this.#verify(read, known);
      }
      if (missing.length > 0) {
        const wanted = missing.flatMap((i) => reads[i] ?? []);
        const fetched = await this.#state.fetch(wanted);
        for (const [n, i] of missing.entries()) results[i] = fetched[n] ?? null;
        for (const i of missing) {
          const read = reads[i];
          if (read !== undefined) this.#verify(read, results[i] ?? null);
        }
      }
      // The results were made from `reads`, position by position: the type can't follow that.
      return results as unknown as { readonly [I in keyof R]: ReadResult<R[I]> };
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      if (error instanceof ConflictError) this.#conflict ??= evictedConflict();
      if (error instanceof CatalogChangedError || error instanceof FencedError) this.#conflict ??= restartConflict();
      throw error;
    }
  }

  async search(index: IndexAddress<SearchDefinition>, query: TextQuery, limit: number): Promise<SnapshotMatches> {
    try {
      const state = this.#state;
      const answer = await this.#textIndexes.search(index, query, limit, state.durableTs);
      // Evicted meanwhile: what the index showed can't be brought up to date any more.
      if (state.log.floor > answer.ts) throw new ConflictError("");
      const changed = new Map<InternalId, StoredDocument | null>();
      const table = tableRef(index.tableId);
      for (const entry of state.log.since(answer.ts)) {
        for (const { key, document } of entry.changes.get(table) ?? []) changed.set(idOfKey(key), document);
      }
      for (const interval of termIntervals(query.terms)) this.#verifyInterval(`i${index.indexId}`, interval);
      return { hits: answer.hits, more: answer.more, statistics: answer.statistics, changed, documents: new Map() };
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      if (error instanceof ConflictError) this.#conflict ??= evictedConflict();
      if (error instanceof CatalogChangedError) this.#conflict ??= restartConflict();
      throw error;
    }
  }

  #verify(read: Read, result: StoredDocument | RangePage | null): void {
    const interval =
      read.kind === "get"
        ? pointInterval(read.id)
        : readInterval(read, result !== null && "rows" in result ? result : { rows: [], more: false });
    this.#verifyInterval(indexRef(read), interval);
  }

  #verifyInterval(ref: IndexRef, interval: Interval): void {
    const begin = this.snapshotTs;
    if (this.#state.catalogBarrier > begin) throw new CatalogChangedError("The catalog changed");
    if (begin < this.#state.log.floor) throw new ConflictError("");
    const found = this.#state.log.conflictIn(begin, ref, interval);
    if (found === null) return;
    this.#conflict = keyConflict(this.#state.catalog, found);
    throw new ConflictError(this.#conflict.table ?? "");
  }
}
