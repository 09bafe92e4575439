import { z } from "zod";
import type { Catalog } from "../engine/catalog.ts";
import type { IndexKey, InternalId, TableId } from "../engine/names.ts";
import {
  type IndexRef,
  type LoggedTransaction,
  OutOfRetentionError,
  type Persistence,
  type RangeRow,
  type TableRow,
} from "../engine/persistence.ts";
import { tableRef } from "../engine/read-set.ts";
import { isStagingComponent } from "../engine/staging.ts";
import { isSystemTable } from "../engine/tables.ts";
import { nanoseconds, type Timestamp } from "../engine/timestamp.ts";
import { badRequest, CodedError } from "../shared/coded-error.ts";
import { encodeDocumentId } from "../values/document-id.ts";

/** Of one answer. */
export interface ExportPageSizes {
  readonly snapshotRows: number;
  /** Transactions are never split: an answer may hold more. */
  readonly deltaDocuments: number;
  readonly deltaTransactions: number;
}

const PAGE_SIZES: ExportPageSizes = { snapshotRows: 1024, deltaDocuments: 128, deltaTransactions: 128 };
const SNAPSHOT_BYTES = 4 * 1024 * 1024;

/** Which tables. `null` is any, except that a table without a component is the app's. */
export interface TableChoice {
  readonly component: string | null;
  readonly table: string | null;
}

/** A version of a document. */
export interface ExportedVersion {
  readonly component: string;
  readonly table: string;
  readonly id: string;
  /** Nanoseconds. */
  readonly ts: bigint;
  /** ConvexJSON text; `null`: it was deleted. */
  readonly json: string | null;
}

export interface SnapshotPage {
  readonly versions: readonly ExportedVersion[];
  /** Nanoseconds. */
  readonly snapshot: bigint;
  readonly cursor: string | null;
}

export interface DeltaPage {
  readonly versions: readonly ExportedVersion[];
  /** Nanoseconds: everything until there has been told. */
  readonly cursor: bigint;
  readonly hasMore: boolean;
}

export interface StreamingExportParts {
  readonly persistence: Pick<Persistence, "read" | "log">;
  /** The newest timestamp, and the catalog of that moment or a later one. */
  readonly now: () => Promise<{ readonly ts: Timestamp; readonly catalog: Catalog }>;
}

/** `left`: tables still to be listed, the one under way first. */
const snapshotCursor = z.object({
  left: z.array(z.number().transform((id) => id as TableId)),
  after: z.string().transform((id) => id as InternalId),
});

/**
 * The documents of a deployment for whoever copies them elsewhere and keeps the copy up to date: a snapshot in pages,
 * then what was written after it, by the commit log. Both end where old versions are no longer kept.
 */
export class StreamingExport {
  readonly #parts: StreamingExportParts;
  readonly #sizes: ExportPageSizes;

  constructor(parts: StreamingExportParts, sizes = PAGE_SIZES) {
    this.#parts = parts;
    this.#sizes = sizes;
  }

  /** `snapshot` and `cursor` are those of the page before. Throws what `documentDeltas` does. */
  async listSnapshot(snapshot: bigint | null, cursor: string | null, choice: TableChoice): Promise<SnapshotPage> {
    const { ts: newest, catalog } = await this.#parts.now();
    const { snapshotRows } = this.#sizes;
    const ts = snapshot === null ? newest : timestampOf(snapshot, newest);
    const start = cursor === null ? null : parseCursor(cursor);
    const left = start?.left ?? tablesOf(catalog, choice).map(({ id }) => id);
    let after = start?.after ?? null;
    const versions: ExportedVersion[] = [];
    while (left[0] !== undefined && versions.length < snapshotRows) {
      const table = catalog.tableById(left[0]);
      if (table === undefined) throw tablesChanged();
      // oxlint-disable-next-line no-await-in-loop -- the next page begins where this one ends
      const { rows, more } = await this.#page(table.id, after, snapshotRows - versions.length, ts);
      versions.push(...rows.map((row) => versionOf(table, row)));
      const last = rows.at(-1);
      if (more && last !== undefined) {
        after = internalId(last.key);
        // Full, in rows or in bytes.
        break;
      } else {
        left.shift();
        after = null;
      }
    }
    const next = left.length === 0 ? null : JSON.stringify({ left, after: after ?? "" });
    return { versions, snapshot: nanoseconds(ts), cursor: next };
  }

  /**
   * What was written after `cursor`: of a snapshot or of the page before. Throws `InvalidWindowToReadDocuments` when it
   * is too old, and the catchable errors of a bad request.
   */
  async documentDeltas(cursor: bigint, choice: TableChoice): Promise<DeltaPage> {
    const after = timestampOf(cursor, null);
    const { deltaDocuments, deltaTransactions } = this.#sizes;
    const transactions = await inWindow(cursor, this.#parts.persistence.log(after, deltaTransactions));
    // Read after the log: every table that it names is known.
    const { catalog } = await this.#parts.now();
    const chosen = new Map(tablesOf(catalog, choice).map((table) => [tableRef(table.id), table]));
    const rewritten = lastWrites(transactions);
    const versions: ExportedVersion[] = [];
    let told = after;
    for (const transaction of transactions) {
      if (versions.length >= deltaDocuments) break;
      // oxlint-disable-next-line no-await-in-loop -- pages are cut by what is in them
      versions.push(...(await inWindow(cursor, this.#written(transaction, chosen, rewritten))));
      told = transaction.ts;
    }
    const hasMore = transactions.length === deltaTransactions || (transactions.at(-1)?.ts ?? after) > told;
    return { versions, cursor: nanoseconds(told), hasMore };
  }

  async #page(tableId: TableId, after: InternalId | null, limit: number, ts: Timestamp) {
    // All ids have the same length, so a longer bound lies between this id and the next.
    const interval = { start: after === null || after === "" ? "" : `${after}00`, end: null };
    const range = { kind: "range", tableId, index: "by_id", interval, order: "asc", limit } as const;
    const read = this.#parts.persistence.read([{ ...range, maxBytes: SNAPSHOT_BYTES }], ts);
    const { results } = await inWindow(nanoseconds(ts), read);
    return results[0];
  }

  /** A document that one group of commits wrote twice has its last version only. */
  async #written(
    { ts, keys }: LoggedTransaction,
    chosen: ReadonlyMap<IndexRef, TableRow>,
    rewritten: ReadonlyMap<string, Timestamp>,
  ): Promise<readonly ExportedVersion[]> {
    const written = keys.flatMap(([index, key]) => {
      const table = chosen.get(index);
      return table === undefined ? [] : [{ table, id: internalId(key) }];
    });
    if (written.length === 0) return [];
    const reads = written.map(({ table, id }) => ({ kind: "get", tableId: table.id, id }) as const);
    const { results } = await this.#parts.persistence.read(reads, ts);
    return written.flatMap(({ table, id }, at) => {
      const found = results[at] ?? null;
      // No id is written again once its document was deleted.
      const isReplaced = (rewritten.get(`${tableRef(table.id)} ${id}`) ?? ts) > ts;
      if (found === null ? isReplaced : found.ts !== ts) return [];
      const { component, name, number } = table;
      const json = found?.json ?? null;
      return [{ component, table: name, id: encodeDocumentId(number, id), ts: nanoseconds(ts), json }];
    });
  }
}

/** By table and id: when a document was last written. */
function lastWrites(transactions: readonly LoggedTransaction[]): ReadonlyMap<string, Timestamp> {
  return new Map(transactions.flatMap(({ ts, keys }) => keys.map(([index, key]) => [`${index} ${key}`, ts] as const)));
}

/** In the order of their ids. */
function tablesOf(catalog: Catalog, { component, table }: TableChoice): readonly TableRow[] {
  const wanted = component ?? (table === null ? null : "");
  return [...catalog.tables()]
    .filter((one) => !isSystemTable(one.name) && !isStagingComponent(one.component))
    .filter((one) => (wanted === null || one.component === wanted) && (table === null || one.name === table))
    .toSorted((a, b) => a.id - b.id);
}

function versionOf({ component, name, number }: TableRow, { key, document }: RangeRow): ExportedVersion {
  const { ts, json } = document;
  return { component, table: name, id: encodeDocumentId(number, internalId(key)), ts: nanoseconds(ts), json };
}

/** The key of `by_id` is the id. */
function internalId(key: IndexKey): InternalId {
  return key as string as InternalId;
}

/** `newest`: no snapshot is later. */
function timestampOf(ns: bigint, newest: Timestamp | null): Timestamp {
  const ts = Number(ns / 1000n) as Timestamp;
  if (ns < 0n || !Number.isSafeInteger(ts) || (newest !== null && ts > newest)) {
    throw badRequest("InvalidTimestamp", `${ns} is no timestamp of this deployment.`);
  }
  return ts;
}

function parseCursor(text: string): z.output<typeof snapshotCursor> {
  try {
    return snapshotCursor.parse(JSON.parse(text));
  } catch (cause) {
    throw new CodedError("BadRequest", "InvalidCursor", "The cursor is not one of `list_snapshot`.", { cause });
  }
}

async function inWindow<T>(ns: bigint, read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (!(error instanceof OutOfRetentionError)) throw error;
    throw new CodedError(
      "BadRequest",
      "InvalidWindowToReadDocuments",
      `Documents as of ${ns} are no longer kept. Copy a new snapshot; CONVECTION_RETENTION_MS says how long they are.`,
      { cause: error },
    );
  }
}

function tablesChanged(): Error {
  return badRequest(
    "SnapshotTablesChanged",
    "A table was replaced or deleted while it was listed. Copy a new snapshot.",
  );
}
