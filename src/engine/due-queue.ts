import { toHex } from "../shared/bytes.ts";
import { isJsonObject, type JsonValue } from "../shared/json.ts";
import { ID_DIGITS } from "./index-key.ts";
import type { IndexKey, InternalId, TableId } from "./names.ts";
import type { DueChange, TableRow } from "./persistence.ts";
import type { DocumentWrite } from "./write-set.ts";

export const SCHEDULED_FUNCTIONS = "_scheduled_functions";
export const CRON_JOBS = "_cron_jobs";

/** A document that is to be run. */
export interface JobRef {
  readonly tableId: TableId;
  readonly id: InternalId;
}

export interface DueJob extends JobRef {
  /** Milliseconds since the Unix epoch. */
  readonly dueAt: number;
}

/** A running job stays in the queue, so that whoever starts anew finds it. It leaves when it is over. */
const UNFINISHED: ReadonlySet<string> = new Set(["pending", "inProgress"]);

/** Table → the time at which the Scheduler has to look at a document, `null` for never again. */
const DUE_TIMES: ReadonlyMap<string, (document: JsonValue) => number | null> = new Map([
  [SCHEDULED_FUNCTIONS, scheduledFunctionDue],
  [CRON_JOBS, (document) => (isJsonObject(document) ? numberOrNull(document["nextRun"]) : null)],
]);

const TIME_DIGITS = 16;
const TABLE_DIGITS = 8;

/** Due time in microseconds, table, document: the order in which jobs are due, one key per job. */
export function dueKey({ dueAt, tableId, id }: DueJob): IndexKey {
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, BigInt(Math.max(0, Math.round(dueAt * 1000))));
  const table = tableId.toString(16).padStart(TABLE_DIGITS, "0").toUpperCase();
  return (toHex(time) + table + id) as IndexKey; // Keys of the queue are made here.
}

export function parseDueKey(key: IndexKey): DueJob {
  const table = key.slice(TIME_DIGITS, TIME_DIGITS + TABLE_DIGITS);
  return {
    dueAt: Number(BigInt(`0x${key.slice(0, TIME_DIGITS)}`)) / 1000,
    tableId: Number.parseInt(table, 16) as TableId, // As `dueKey` wrote it.
    id: key.slice(-ID_DIGITS) as InternalId, // As `dueKey` wrote it.
  };
}

/** Under which key a document is in the queue, `null` when it is not. */
export function dueKeyOf(table: TableRow, document: JsonValue, id: InternalId): IndexKey | null {
  const dueAt = DUE_TIMES.get(table.name)?.(document) ?? null;
  return dueAt === null ? null : dueKey({ dueAt, tableId: table.id, id });
}

/** What a write changes in the queue. The documents of other tables are never in it. */
export function dueChanges(table: TableRow | undefined, write: DocumentWrite): readonly DueChange[] {
  if (table === undefined || !DUE_TIMES.has(table.name)) return [];
  const before = write.before === null ? null : dueKeyOf(table, JSON.parse(write.before.json), write.id);
  const after = write.after === null ? null : dueKeyOf(table, write.after.value, write.id);
  if (before === after) return [];
  const changes: DueChange[] = [];
  if (before !== null) changes.push({ key: before, added: false });
  if (after !== null) changes.push({ key: after, added: true });
  return changes;
}

function scheduledFunctionDue(document: JsonValue): number | null {
  if (!isJsonObject(document)) return null;
  const { state, scheduledTime } = document;
  if (state === undefined || !isJsonObject(state)) return null;
  const { kind } = state;
  return typeof kind === "string" && UNFINISHED.has(kind) ? numberOrNull(scheduledTime) : null;
}

function numberOrNull(value: JsonValue | undefined): number | null {
  return typeof value === "number" ? value : null;
}
