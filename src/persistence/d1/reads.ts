import { assert, must } from "../../shared/assert.ts";
import type { IndexKey, InternalId, TableId } from "../../engine/names.ts";
import {
  DEFAULT_PAGE_BYTES,
  isCutShort,
  UNMEASURED_ROWS,
  type Head,
  type RangePage,
  type RangeRead,
  type Read,
  type StoredDocument,
} from "../../engine/persistence.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import { HEAD_SQL, OVERFLOW_SQL, POINT_SQL, POINTS_SQL, rangeSql, withHead, type PackedRow } from "./range-sql.ts";
import { boundText } from "./text-limits.ts";

/** Stands in `documents.value` for a text that is in `document_overflow`. No document's JSON is a string. */
export const OVERFLOW_MARK = '""';

/** A document whose text is still to be fetched. */
export interface OverflowedDocument {
  readonly tableId: TableId;
  readonly id: InternalId;
  readonly document: { json: string; readonly ts: Timestamp };
}

export interface DecodedReads {
  /** In the order of the reads. */
  readonly results: (StoredDocument | RangePage | null)[];
  /** Documents in `results` whose `json` has to be filled in. */
  readonly overflowed: readonly OverflowedDocument[];
}

/** Turns reads into statements. Statements are prepared once per shape. */
export class ReadStatements {
  readonly #db: D1Database;
  readonly #prepared = new Map<string, D1PreparedStatement>();

  constructor(db: D1Database) {
    this.#db = db;
  }

  /**
   * One statement for all points, then one per range, at least one in all. The first answers the head as its first
   * row. `decodeReads` expects the answers in this order.
   */
  bind(reads: readonly Read[], snapshot: number): D1PreparedStatement[] {
    const bound: [sql: string, parameters: (string | number)[]][] = [];
    const points = reads.filter((read) => read.kind === "get");
    const [first] = points;
    if (points.length === 1 && first !== undefined) {
      bound.push([POINT_SQL, [first.tableId, first.id, snapshot]]);
    } else if (points.length > 1) {
      const list = JSON.stringify(points.map((point) => [point.tableId, point.id]));
      bound.push([POINTS_SQL, [boundText(list), snapshot]]);
    }
    for (const read of reads) {
      if (read.kind === "range") bound.push(rangeParameters(read, snapshot));
    }
    if (bound.length === 0) return [this.head()];
    return bound.map(([sql, parameters], i) => this.#prepare(i === 0 ? withHead(sql) : sql).bind(...parameters));
  }

  head(): D1PreparedStatement {
    return this.#prepare(HEAD_SQL);
  }

  overflow({ tableId, id, document }: OverflowedDocument): D1PreparedStatement {
    return this.#prepare(OVERFLOW_SQL).bind(tableId, id, document.ts);
  }

  #prepare(sql: string): D1PreparedStatement {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}

function rangeParameters(read: RangeRead, snapshot: number): [sql: string, parameters: (string | number)[]] {
  const { start, end } = read.interval;
  const source = read.index === "by_id" ? "by_id" : "entries";
  const measured = read.limit > UNMEASURED_ROWS;
  const parameters: (string | number)[] = [read.tableId, start, snapshot, read.limit];
  if (end !== null) parameters.push(end);
  if (read.index !== "by_id") parameters.push(read.index);
  if (measured) parameters.push(read.maxBytes ?? DEFAULT_PAGE_BYTES);
  return [rangeSql({ source, order: read.order, bounded: end !== null, measured }), parameters];
}

export function decodeReads(reads: readonly Read[], answers: readonly D1Result<PackedRow>[]): DecodedReads {
  const results: (StoredDocument | RangePage | null)[] = [];
  const overflowed: OverflowedDocument[] = [];
  const stored = (tableId: TableId, id: InternalId, packed: string): StoredDocument => {
    const document = unpack(packed);
    if (document.json === OVERFLOW_MARK) overflowed.push({ tableId, id, document });
    return document;
  };
  const rowsOf = (statement: number): readonly PackedRow[] => {
    const { results: rows } = must(answers[statement], "answer to a read");
    return statement === 0 ? rows.slice(1) : rows;
  };
  const hasPoints = reads.some((read) => read.kind === "get");
  const points = hasPoints ? rowsOf(0) : [];
  let point = 0;
  let range = hasPoints ? 1 : 0;
  for (const read of reads) {
    if (read.kind === "get") {
      const packed = must(points[point++], "row of a point read").v;
      results.push(packed === null ? null : stored(read.tableId, read.id, packed));
    } else {
      const rows = rowsOf(range++).map(({ k, v }) => {
        assert(v !== null, () => `entry ${k} of index ${read.index} has no document`);
        return { key: k as IndexKey, document: stored(read.tableId, k.slice(-32) as InternalId, v) };
      });
      results.push({ rows, more: rows.length === read.limit || isCutShort(read, rows) });
    }
  }
  return { results, overflowed };
}

/** The head is the first row of the first answer. */
export function decodeHead(answers: readonly Pick<D1Result<PackedRow>, "results">[]): Head {
  const packed = must(answers[0]?.results[0]?.v, "row of head");
  const [ts, catalogTs, retainedFrom, ...writer] = packed.split(" ");
  return {
    ts: timestamp(ts),
    writer: writer.join(" "),
    catalogTs: timestamp(catalogTs),
    retainedFrom: timestamp(retainedFrom),
  };
}

function unpack(packed: string): { json: string; size: number; ts: Timestamp } {
  const afterTs = packed.indexOf(" ");
  const afterSize = packed.indexOf(" ", afterTs + 1);
  return {
    json: packed.slice(afterSize + 1),
    size: Number(packed.slice(afterTs + 1, afterSize)),
    ts: timestamp(packed.slice(0, afterTs)),
  };
}

function timestamp(text: string | undefined): Timestamp {
  return Number(must(text, "timestamp")) as Timestamp;
}
