/**
 * Clean-up works inside D1: no version is sent to the Worker. The commit log names the versions that make older ones
 * superfluous; a tombstone makes itself superfluous too. Finding them by an index would cost a row on every insert.
 */

/** Parameter: the snapshot from which on reads are promised. Never beyond the head, never back. */
export const RETAIN_SQL = `UPDATE head SET retained_from = min(?1, ts) WHERE retained_from < min(?1, ts)`;

/** Parameter: limit. Log rows that no readable snapshot needs, oldest first. */
export const PRUNABLE_SQL = `SELECT ts, part, weight FROM commits
WHERE ts <= (SELECT retained_from FROM head) ORDER BY ts, part LIMIT ?1`;

/** Parameters of all below: ts and part of the last log row of this step. */
const DOOMED = (table: "documents" | "document_overflow") => `SELECT d.table_id, d.id, d.ts
  FROM commits AS c, json_each(c.garbage, '$.d') AS g CROSS JOIN ${table} AS d
  WHERE (c.ts, c.part) <= (?1, ?2)
    AND d.table_id = g.value ->> 0 AND d.id = unhex(g.value ->> 1) AND d.ts <= g.value ->> 2
    AND (d.ts < g.value ->> 2 OR g.value ->> 3)`;

export const PRUNE_SQL: readonly string[] = [
  `DELETE FROM document_overflow WHERE (table_id, id, ts) IN (${DOOMED("document_overflow")})`,
  `DELETE FROM documents WHERE (table_id, id, ts) IN (${DOOMED("documents")})`,
  `DELETE FROM index_entries WHERE (index_id, key, ts) IN (
  SELECT e.index_id, e.key, e.ts
  FROM commits AS c, json_each(c.garbage, '$.e') AS g CROSS JOIN index_entries AS e
  WHERE (c.ts, c.part) <= (?1, ?2)
    AND e.index_id = g.value ->> 0 AND e.key = unhex(g.value ->> 1) AND e.ts <= g.value ->> 2)`,
  `DELETE FROM commits WHERE (ts, part) <= (?1, ?2)`,
];

/** Parameters: index, limit. */
export const REMOVE_ENTRIES_SQL = `DELETE FROM index_entries WHERE (index_id, key, ts) IN (
  SELECT index_id, key, ts FROM index_entries WHERE index_id = ?1 LIMIT ?2)`;

/** Parameters: table, limit. Pieces of long documents go with theirs. */
export const REMOVE_DOCUMENTS_SQL: readonly string[] = [
  `DELETE FROM document_overflow WHERE (table_id, id, ts) IN (
  SELECT table_id, id, ts FROM documents WHERE table_id = ?1 LIMIT ?2)`,
  `DELETE FROM documents WHERE (table_id, id, ts) IN (
  SELECT table_id, id, ts FROM documents WHERE table_id = ?1 LIMIT ?2)`,
];
