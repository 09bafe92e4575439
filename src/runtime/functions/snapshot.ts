import type { IndexAddress, SearchDefinition } from "../../engine/derived-index.ts";
import type { InternalId, TableId } from "../../engine/names.ts";
import type { Head, Persistence, Read, ReadResult, StoredDocument } from "../../engine/persistence.ts";
import { OutOfRetentionError } from "../../engine/persistence.ts";
import { CatalogChangedError, type SnapshotReader } from "../../engine/snapshot-reader.ts";
import type { TextQuery } from "../../engine/text/score.ts";
import {
  NO_TEXT_INDEXES,
  type SnapshotMatches,
  type TextAnswer,
  type TextIndexes,
} from "../../engine/text/text-index.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import type { ReadMemory } from "./read-memory.ts";
import { CodedError } from "../../shared/coded-error.ts";

export interface SnapshotParts {
  readonly textIndexes?: TextIndexes;
  readonly memory?: ReadMemory | null;
}

/** No index is behind it. */
const BEGINNING = 0 as Timestamp;

/**
 * Reader of a query: the first read brings the head and the rows in one round trip and pins the snapshot to that
 * head, unless it was pinned from the beginning; later reads stay there. Reads asked for in one turn share a round trip.
 * Throws `CatalogChangedError` when the first read finds another catalog than the query began with, also for a
 * snapshot of the past: it is read under the tables and indexes of today.
 */
export class PinnedSnapshot implements SnapshotReader {
  readonly #persistence: Persistence;
  readonly #textIndexes: TextIndexes;
  readonly #memory: ReadMemory | null;
  readonly #catalogTs: Timestamp;
  #ts: Timestamp | null;
  /** The head that the first read brought; its catalog is the one the query began with. */
  #head: Head | null = null;
  /** Reads waiting for the round trip of this turn. */
  #waiting: { reads: Read[]; done: Promise<readonly ReadResult[]> } | null = null;
  /** The pinning read, which later ones wait for. */
  #pinning: Promise<unknown> | null = null;

  constructor(
    persistence: Persistence,
    catalogTs: Timestamp,
    at: Timestamp | null,
    { textIndexes = NO_TEXT_INDEXES, memory = null }: SnapshotParts = {},
  ) {
    this.#textIndexes = textIndexes;
    this.#persistence = persistence;
    this.#memory = memory;
    this.#catalogTs = catalogTs;
    this.#ts = at;
  }

  get snapshotTs(): Timestamp | null {
    return this.#ts;
  }

  /** The head as the first read found it, `null` while nothing was read. */
  get head(): Head | null {
    return this.#head;
  }

  /** The snapshot's timestamp, pinned now if nothing was read yet. */
  async pin(): Promise<Timestamp> {
    await this.verify();
    if (this.#ts === null) throw new Error("reading the head did not pin the snapshot");
    return this.#ts;
  }

  /**
   * For the end of the query, which may have read nothing and yet concluded something from the catalog: that a table
   * does not exist, that a text is no id. Reads the head unless a read has done so.
   */
  async verify(): Promise<void> {
    if (this.#head === null) await this.read([]);
  }

  async read<const R extends readonly Read[]>(reads: R): Promise<{ readonly [I in keyof R]: ReadResult<R[I]> }> {
    const turn = (this.#waiting ??= this.#startTurn());
    const offset = turn.reads.length;
    turn.reads.push(...reads);
    const results = (await turn.done).slice(offset, offset + reads.length);
    // The port answers in the order asked, one result per read.
    return results as unknown as { readonly [I in keyof R]: ReadResult<R[I]> };
  }

  /**
   * Not pinned yet, the documents of the first hits pin it: one round trip to the database, and no other if nothing
   * was committed that the index had not seen.
   */
  async search(
    index: IndexAddress<SearchDefinition>,
    query: TextQuery,
    limit: number,
    wanted: number,
  ): Promise<SnapshotMatches> {
    const { tableId } = index;
    let documents: ReadonlyMap<InternalId, StoredDocument | null> = new Map();
    let answer: TextAnswer | null = null;
    if (this.#ts === null && this.#textIndexes.isSettled(index)) {
      answer = await this.#textIndexes.search(index, query, limit, BEGINNING);
      documents = await this.#documents(
        tableId,
        answer.hits.slice(0, wanted).map(({ id }) => id),
      );
    }
    const ts = await this.pin();
    if (answer === null || answer.ts !== ts) answer = await this.#textIndexes.search(index, query, limit, ts);
    const changed = await this.#documents(tableId, answer.changed);
    return { hits: answer.hits, more: answer.more, statistics: answer.statistics, changed, documents };
  }

  async #documents(
    tableId: TableId,
    ids: readonly InternalId[],
  ): Promise<ReadonlyMap<InternalId, StoredDocument | null>> {
    if (ids.length === 0) return new Map();
    const documents = await this.read(ids.map((id) => ({ kind: "get" as const, tableId, id })));
    return new Map(ids.map((id, i) => [id, documents[i] ?? null]));
  }

  #startTurn(): { reads: Read[]; done: Promise<readonly ReadResult[]> } {
    const reads: Read[] = [];
    const done = Promise.resolve().then(async () => {
      this.#waiting = null;
      if (this.#pinning !== null && this.#ts === null) await this.#pinning;
      const running = this.#readBatch(reads);
      if (this.#ts === null) this.#pinning = running;
      return running;
    });
    return { reads, done };
  }

  async #readBatch(reads: readonly Read[]): Promise<readonly ReadResult[]> {
    const known = await this.#fromMemory(reads);
    if (known !== undefined) return known;
    const at = this.#ts;
    try {
      const { head, results } = await this.#persistence.read(reads, at ?? "latest");
      this.#pinTo(head);
      this.#memory?.fill(reads, results, at ?? head.ts, head);
      return results;
    } catch (error) {
      if (error instanceof OutOfRetentionError) throw outOfRetention(error);
      throw error;
    }
  }

  /** Memory knows one snapshot, its newest. `undefined`: storage must be asked. */
  async #fromMemory(reads: readonly Read[]): Promise<readonly ReadResult[] | undefined> {
    const memory = this.#memory;
    const before = memory?.head ?? null;
    const known = memory?.rows(reads);
    if (memory === null || before === null || known === undefined) return undefined;
    if (this.#ts !== null) {
      if (this.#ts !== before.ts) return undefined;
      this.#pinTo(before);
      return known;
    }
    if (!(await memory.refresh())) return undefined;
    const { head } = memory;
    const results = head?.ts === before.ts ? known : memory.rows(reads);
    if (head === null || results === undefined) return undefined;
    this.#pinTo(head);
    return results;
  }

  #pinTo(head: Head): void {
    // Later reads stay at their snapshot, whatever happens to the catalog.
    if (this.#head === null && head.catalogTs !== this.#catalogTs) {
      throw new CatalogChangedError("The catalog changed after the query began.");
    }
    this.#head ??= head;
    this.#ts ??= head.ts;
  }
}

export function outOfRetention(cause?: OutOfRetentionError): CodedError {
  return new CodedError(
    "OutOfRetention",
    "OutOfRetention",
    "This query reads the database as it was at a time whose versions are no longer kept. Run it again at a newer timestamp.",
    { cause },
  );
}
