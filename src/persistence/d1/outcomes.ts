import type { RecordedOutcome } from "../../engine/persistence.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import { PIECE_BYTES, splitText } from "./text-limits.ts";

const DAY_MICROSECONDS = 24 * 60 * 60 * 1_000_000;

/** An outcome is found on the day it was recorded and on this many more. */
const FURTHER_DAYS = 2;

/** Parameter: JSON array of [day, session, request, part, ts, outcome]. */
export const INSERT_OUTCOMES_SQL = `INSERT INTO outcomes (day, session_id, request_id, part, ts, outcome)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?1)`;

const DAYS = JSON.stringify(Array.from({ length: FURTHER_DAYS + 1 }, (_, ago) => ago));

/** Parameters: session, request. As a join SQLite would build an automatic index over the whole table. */
export const OUTCOME_SQL = `SELECT ts, outcome FROM outcomes
WHERE day IN (SELECT head.ts / ${DAY_MICROSECONDS} - ago.value FROM head, json_each('${DAYS}') AS ago)
  AND session_id = ?1 AND request_id = ?2 ORDER BY day, part`;

/** Parameters: first day to keep, limit. */
export const REMOVE_OUTCOMES_SQL = `DELETE FROM outcomes WHERE (day, session_id, request_id, part) IN (
  SELECT day, session_id, request_id, part FROM outcomes WHERE day < ?1 LIMIT ?2)`;

export function outcomeItems({ sessionId, requestId, ts, outcome }: RecordedOutcome): string[] {
  return splitText(outcome, PIECE_BYTES).map((piece, part) =>
    JSON.stringify([dayOf(ts), sessionId, requestId, part, ts, piece]),
  );
}

/** First day whose outcomes are still found at `ts`. */
export function firstDayKept(ts: Timestamp): number {
  return dayOf(ts) - FURTHER_DAYS;
}

function dayOf(ts: Timestamp): number {
  return Math.floor(ts / DAY_MICROSECONDS);
}
