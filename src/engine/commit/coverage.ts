import type { Interval } from "../interval.ts";
import type { InternalId } from "../names.ts";
import type { IndexRef, RangePage, RangeRead, Read } from "../persistence.ts";

/** Name of the index that a read goes through, as read sets and the commit log have it. */
export function indexRef(read: Read): IndexRef {
  return read.kind === "get" || read.index === "by_id" ? `t${read.tableId}` : `i${read.index}`;
}

/** The interval that holds one complete key and nothing else: no complete key is a prefix of another. */
export function pointInterval(key: InternalId | string): Interval {
  return { start: key, end: `${key}0` };
}

/** What a page tells about: everything up to its last row if more may follow, else the whole interval. */
export function readInterval(read: RangeRead, page: RangePage): Interval {
  const last = page.rows.at(-1);
  if (!page.more || last === undefined) return read.interval;
  return read.order === "asc"
    ? { start: read.interval.start, end: pointInterval(last.key).end }
    : { start: last.key, end: read.interval.end };
}
