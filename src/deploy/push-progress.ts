import { z } from "zod";
import type { IndexId, TableId } from "../engine/names.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { JsonValue } from "../shared/json.ts";

/** Catalog value: how far the push under way is. Absent when none has anything to build or to check. */
export const PUSH_PROGRESS = "push";

/** A table to walk: documents are checked, and entered into the indexes that are being built. */
export interface WalkedTable {
  readonly tableId: TableId;
  readonly indexes: readonly IndexId[];
  readonly validate: boolean;
  cursor: string | null;
  done: boolean;
}

export interface PushProgress {
  readonly id: string;
  readonly startedAt: number;
  /** Every logged write up to here, to a document that was walked already, has been checked again. */
  checkedUpTo: Timestamp;
  readonly tables: readonly WalkedTable[];
}

const timestamp = z.number().transform((value) => value as Timestamp);
const progress = z.object({
  id: z.string(),
  startedAt: z.number(),
  checkedUpTo: timestamp,
  tables: z.array(
    z.object({
      tableId: z.number().transform((value) => value as TableId),
      indexes: z.array(z.number().transform((value) => value as IndexId)),
      validate: z.boolean(),
      cursor: z.string().nullable(),
      done: z.boolean(),
    }),
  ),
});

export function loadProgress(values: ReadonlyMap<string, JsonValue>): PushProgress | null {
  const value = values.get(PUSH_PROGRESS);
  return value === undefined ? null : progress.parse(value);
}

export function progressValue(state: PushProgress): JsonValue {
  return {
    id: state.id,
    startedAt: state.startedAt,
    checkedUpTo: state.checkedUpTo,
    tables: state.tables.map((table) => ({ ...table })),
  };
}
