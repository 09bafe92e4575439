import { z } from "zod";
import type { IndexId } from "../engine/names.ts";
import type { CatalogChange } from "../engine/persistence.ts";
import type { Clock } from "../shared/clock.ts";
import type { JsonValue } from "../shared/json.ts";

/** Catalog value: indexes whose entries are still to be removed. */
export const DROPPED_INDEXES = "droppedIndexes";

/** `at`: microseconds, shortly before the commit that dropped it. */
export interface DroppedIndex {
  readonly id: IndexId;
  readonly at: number;
}

const dropped = z.array(z.object({ id: z.number().transform((value) => value as IndexId), at: z.number() }));

export function loadDropped(values: ReadonlyMap<string, JsonValue>): readonly DroppedIndex[] {
  const value = values.get(DROPPED_INDEXES);
  return value === undefined ? [] : dropped.parse(value);
}

/** The part of a change that drops indexes and remembers to remove their entries. */
export function dropping(
  values: ReadonlyMap<string, JsonValue>,
  ids: readonly IndexId[],
  clock: Clock,
): Required<Pick<CatalogChange, "dropIndexes" | "values">> {
  if (ids.length === 0) return { dropIndexes: [], values: [] };
  const at = Math.floor(clock.now() * 1000);
  return {
    dropIndexes: ids,
    values: [droppedValue([...loadDropped(values), ...ids.map((id) => ({ id, at }))])],
  };
}

export function droppedValue(remaining: readonly DroppedIndex[]): { key: string; value: JsonValue | null } {
  return {
    key: DROPPED_INDEXES,
    value: remaining.length === 0 ? null : remaining.map(({ id, at }) => ({ id, at })),
  };
}
