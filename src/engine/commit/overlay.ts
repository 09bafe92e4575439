import type { IndexKey } from "../names.ts";
import type { RangePage, RangeRead, RangeRow, StoredDocument } from "../persistence.ts";
import { readInterval } from "./coverage.ts";

/**
 * Brings a page up to date with newer key changes. `page` may have been read with a larger limit than `read` has.
 * `undefined`: fewer rows than `read.limit` are left although more may follow in storage. A page that
 * was cut short by its bytes may stay short, unless nothing of it is left.
 */
export function overlay(
  read: RangeRead,
  page: RangePage,
  cutShort: boolean,
  changes: ReadonlyMap<IndexKey, StoredDocument | null>,
): RangePage | undefined {
  const rows = changes.size === 0 ? [...page.rows] : merge(read, page, changes);
  if (rows.length > read.limit) return { rows: rows.slice(0, read.limit), more: true };
  if (page.more && rows.length < read.limit && (!cutShort || rows.length === 0)) return undefined;
  return { rows, more: page.more };
}

function merge(read: RangeRead, page: RangePage, changes: ReadonlyMap<IndexKey, StoredDocument | null>): RangeRow[] {
  // Beyond its last row the page says nothing, so a change there is not its business.
  const { start, end } = readInterval(read, page);
  const rows = new Map<IndexKey, StoredDocument>(page.rows.map((row) => [row.key, row.document]));
  let added = false;
  for (const [key, document] of changes) {
    if (key < start || (end !== null && key >= end)) continue;
    if (document === null) {
      rows.delete(key);
    } else {
      added ||= !rows.has(key);
      rows.set(key, document);
    }
  }
  const merged = Array.from(rows, ([key, document]): RangeRow => ({ key, document }));
  if (!added) return merged;
  const sign = read.order === "asc" ? 1 : -1;
  return merged.toSorted((a, b) => (a.key < b.key ? -sign : sign));
}
