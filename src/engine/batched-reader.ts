import { assert } from "../shared/assert.ts";
import type { IndexAddress, SearchDefinition } from "./derived-index.ts";
import { idOfKey } from "./index-key.ts";
import type { InternalId, TableId } from "./names.ts";
import type { RangePage, RangeRead, Read, StoredDocument } from "./persistence.ts";
import type { SnapshotReader } from "./snapshot-reader.ts";
import type { TextQuery } from "./text/score.ts";
import type { SnapshotMatches } from "./text/text-index.ts";

interface Waiting {
  readonly read: Read;
  readonly resolve: (result: StoredDocument | RangePage | null) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads of one snapshot, one round trip for all that are asked for in the same turn: `Promise.all` over many `get`s
 * costs what one of them costs. Documents are remembered, since a snapshot never changes.
 */
export class BatchedReader {
  readonly #reader: SnapshotReader;
  readonly #rememberRanges: boolean;
  readonly #documents = new Map<string, StoredDocument | null>();
  #waiting: Waiting[] = [];

  /** `rememberRanges`: documents of ranges are likely to be asked for again, because they will be written. */
  constructor(reader: SnapshotReader, rememberRanges: boolean) {
    this.#reader = reader;
    this.#rememberRanges = rememberRanges;
  }

  get snapshotTs(): SnapshotReader["snapshotTs"] {
    return this.#reader.snapshotTs;
  }

  async document(tableId: TableId, id: InternalId): Promise<StoredDocument | null> {
    const key = `${tableId}:${id}`;
    const known = this.#documents.get(key);
    if (known !== undefined) return known;
    const document = await this.#enqueue({ kind: "get", tableId, id });
    assert(document === null || "json" in document, "a point read gives a document");
    this.#documents.set(key, document);
    return document;
  }

  async range(read: RangeRead): Promise<RangePage> {
    const page = await this.#enqueue(read);
    assert(page !== null && "rows" in page, "a range read gives a page");
    if (this.#rememberRanges) {
      for (const { key, document } of page.rows) this.#documents.set(`${read.tableId}:${idOfKey(key)}`, document);
    }
    return page;
  }

  /** The best matches of a text search in the snapshot. */
  async search(
    index: IndexAddress<SearchDefinition>,
    query: TextQuery,
    limit: number,
    wanted: number,
  ): Promise<SnapshotMatches> {
    const matches = await this.#reader.search(index, query, limit, wanted);
    for (const [id, document] of matches.documents) this.#documents.set(`${index.tableId}:${id}`, document);
    return matches;
  }

  /** Makes sure that there is a snapshot, and that the catalog is the one it was taken under. */
  async pin(): Promise<void> {
    if (this.#reader.snapshotTs === null) await this.#reader.read([]);
  }

  #enqueue(read: Read): Promise<StoredDocument | RangePage | null> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ read, resolve, reject });
      if (this.#waiting.length === 1) void Promise.resolve().then(() => this.#flush());
    });
  }

  /** Never rejects: failures go to those who wait. */
  async #flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      const results = await this.#reader.read(waiting.map(({ read }) => read));
      for (const [i, { resolve }] of waiting.entries()) resolve(results[i] ?? null);
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }
}
