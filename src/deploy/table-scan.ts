import type { InternalId, TableId } from "../engine/names.ts";
import {
  type IndexEntry,
  type IndexRow,
  OutOfRetentionError,
  type Persistence,
  type RangeRow,
} from "../engine/persistence.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import { must } from "../shared/assert.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import type { DocumentKeys } from "./ports.ts";
import type { BackfillSettings } from "./settings.ts";

export interface Batch {
  readonly rows: readonly RangeRow[];
  readonly readAt: Timestamp;
  readonly advance: () => void;
}

/**
 * Walks a table in the order of ids, a batch at a time, each read at the newest snapshot. What is written behind the
 * cursor is not seen again: index entries of such writes are made by their commits, which know the index since
 * before the walk began, and validation reads the commit log.
 */
export class TableScan {
  readonly #persistence: Pick<Persistence, "read">;
  readonly #settings: BackfillSettings;
  readonly #tableId: TableId;
  /** Internal id of the last document seen. */
  cursor: string | null;
  done = false;

  constructor(
    persistence: Pick<Persistence, "read">,
    settings: BackfillSettings,
    tableId: TableId,
    cursor: string | null,
  ) {
    this.#persistence = persistence;
    this.#settings = settings;
    this.#tableId = tableId;
    this.cursor = cursor;
  }

  /** The next documents. The cursor moves when the caller is done with them: call `advance`. */
  async batch(): Promise<Batch> {
    // All ids have the same length, so a longer bound lies between this id and the next.
    const start = this.cursor === null ? "" : `${this.cursor}00`;
    const { head, results } = await this.#persistence.read(
      [
        {
          kind: "range",
          tableId: this.#tableId,
          index: "by_id",
          interval: { start, end: null },
          order: "asc",
          limit: this.#settings.documents,
          maxBytes: this.#settings.bytes,
        },
      ],
      "latest",
    );
    const { rows, more } = results[0];
    return {
      rows,
      readAt: head.ts,
      advance: () => {
        this.cursor = rows.at(-1)?.key ?? this.cursor;
        this.done = !more || rows.length === 0;
      },
    };
  }
}

/**
 * Stores the entries of a batch in indexes that are being built. False: it was read so long ago that what hides its
 * outdated entries may have been cleaned up, nothing was stored, and it must be read again.
 */
export async function backfill(
  batch: Batch,
  indexes: readonly IndexRow[],
  persistence: Pick<Persistence, "backfill">,
  keys: DocumentKeys,
): Promise<boolean> {
  const entries = historicalEntries(batch.rows, indexes, keys);
  if (entries.length === 0) return true;
  try {
    await persistence.backfill(entries, batch.readAt);
    return true;
  } catch (error) {
    if (error instanceof OutOfRetentionError) return false;
    throw error;
  }
}

/**
 * Entries of the documents in indexes that are being built. An entry is as old as the version it was made from:
 * if a commit has moved or deleted the key since, its own newer entry hides this one.
 */
function historicalEntries(rows: readonly RangeRow[], indexes: readonly IndexRow[], keys: DocumentKeys): IndexEntry[] {
  return rows.flatMap(({ key, document }) => {
    const value = parseDocument(document.json);
    return indexes.flatMap((index) => {
      const indexKey = keys.indexKey(index.definition, value, internalId(key));
      return indexKey === null ? [] : [{ indexId: index.id, key: indexKey, ts: document.ts, deleted: false }];
    });
  });
}

export function parseDocument(json: string): JsonObject {
  const value = JSON.parse(json) as JsonValue;
  return must(isJsonObject(value) ? value : null, "document");
}

/** Keys of `by_id` are internal ids. */
function internalId(key: RangeRow["key"]): InternalId {
  return key as string as InternalId;
}
