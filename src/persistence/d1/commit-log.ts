import { must } from "../../shared/assert.ts";
import type { CommitBatch, Head, HeadProgress, LoggedTransaction } from "../../engine/persistence.ts";
import { HEAD_SQL } from "./range-sql.ts";
import { PIECE_BYTES, splitText } from "./text-limits.ts";

/** A row of `commits`. Rows of one commit are numbered from 0. */
export interface CommitRow {
  readonly part: number;
  readonly transactions: string;
  readonly garbage: string;
  readonly weight: number;
}

/** Clean-up deletes whole parts, so a part's weight bounds the step (D1 advises at most 10,000 rows a statement). */
const MAX_WEIGHT = 2_000;

interface Garbage {
  readonly documents: string[];
  readonly entries: string[];
  weight: number;
  bytes: number;
}

/**
 * What the commit adds to the log: its transactions for subscribers, and for clean-up the versions that make older
 * ones superfluous once every readable snapshot is at or after them.
 */
export function commitRows(batch: CommitBatch): CommitRow[] {
  const transactions = splitText(JSON.stringify(batch.transactions.map(({ ts, keys }) => [ts, keys])), PIECE_BYTES);
  const garbage = collectGarbage(batch);
  return Array.from({ length: Math.max(transactions.length, garbage.length) }, (_, part) => ({
    part,
    transactions: transactions[part] ?? "",
    garbage: `{"d":[${garbage[part]?.documents.join() ?? ""}],"e":[${garbage[part]?.entries.join() ?? ""}]}`,
    weight: garbage[part]?.weight ?? 0,
  }));
}

function collectGarbage(batch: CommitBatch): Garbage[] {
  const parts: Garbage[] = [];
  const add = (kind: "documents" | "entries", text: string, weight: number): void => {
    let last = parts.at(-1);
    if (last === undefined || last.weight + weight > MAX_WEIGHT || last.bytes + text.length >= PIECE_BYTES) {
      last = { documents: [], entries: [], weight: 0, bytes: 0 };
      parts.push(last);
    }
    last[kind].push(text);
    last.weight += weight;
    last.bytes += text.length + 1;
  };
  for (const { tableId, id, ts, document, supersedes } of batch.documents) {
    const weight = (supersedes ? 1 : 0) + (document === null ? 1 : 0);
    if (weight > 0) add("documents", `[${tableId},"${id}",${ts},${document === null ? 1 : 0}]`, weight);
  }
  for (const { indexId, key, ts, deleted } of batch.entries) {
    if (deleted) add("entries", `[${indexId},"${key}",${ts}]`, 2);
  }
  return parts;
}

/** Puts the pieces of one commit's transactions together. */
export function parseTransactions(pieces: readonly string[]): LoggedTransaction[] {
  const rows: [LoggedTransaction["ts"], LoggedTransaction["keys"]][] = JSON.parse(pieces.join(""));
  return rows.map(([ts, keys]) => ({ ts: must(ts, "ts"), keys }));
}

/** Whoever follows the log is told no more than this at once. */
export const FOLLOW_ROWS = 256;
export const FOLLOW_BYTES = 4_000_000;

/** The head as the first row, then the log: `k` = ts, `v` = transactions, NULL beyond the bytes. */
export interface FollowRow {
  readonly k: string | number;
  readonly v: string | null;
}

/** Parameters: ts of the head known, bytes, rows. */
export const FOLLOW_SQL = `${HEAD_SQL} UNION ALL SELECT * FROM (
  SELECT ts AS k, CASE WHEN sum(octet_length(transactions)) OVER (ORDER BY ts, part) <= ?2 THEN transactions END AS v
  FROM (SELECT ts, part, transactions FROM commits WHERE ts > ?1 ORDER BY ts, part LIMIT ?3)
)`;

/** Parameter: a timestamp. */
export const WAS_HEAD_SQL = "SELECT 1 AS found FROM commits WHERE ts = ?1 AND part = 0";

export function progressOf(since: Head, head: Head, rows: readonly FollowRow[]): HeadProgress {
  if (head.ts === since.ts) return { head, transactions: [] };
  const unknown: HeadProgress = { head, transactions: null };
  if (head.ts < since.ts || since.ts < head.retainedFrom || rows.length >= FOLLOW_ROWS) return unknown;
  const groups = new Map<string | number, string[]>();
  for (const { k, v } of rows) {
    if (v === null) return unknown;
    const pieces = groups.get(k);
    if (pieces === undefined) groups.set(k, [v]);
    else pieces.push(v);
  }
  return { head, transactions: [...groups.values()].flatMap(parseTransactions) };
}
