import type { Catalog } from "../catalog.ts";
import { FencedError, type RangePage, type Read, type ReadResult, type StoredDocument } from "../persistence.ts";
import { CatalogChangedError, ConflictError, type SnapshotReader } from "../snapshot-reader.ts";
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
  readonly snapshotTs: Timestamp;
  readonly catalog: Catalog;
  /** Why the transaction can't go on, even if the code that ran it lost the error. */
  #failure: Error | null = null;
  #conflict: Conflict | null = null;

  constructor(state: LatestState) {
    this.#state = state;
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

  #verify(read: Read, result: StoredDocument | RangePage | null): void {
    const begin = this.snapshotTs;
    if (this.#state.catalogBarrier > begin) throw new CatalogChangedError("The catalog changed");
    if (begin < this.#state.log.floor) throw new ConflictError("");
    const interval =
      read.kind === "get"
        ? pointInterval(read.id)
        : readInterval(read, result !== null && "rows" in result ? result : { rows: [], more: false });
    const found = this.#state.log.conflictIn(begin, indexRef(read), interval);
    if (found === null) return;
    this.#conflict = keyConflict(this.#state.catalog, found);
    throw new ConflictError(this.#conflict.table ?? "");
  }
}
