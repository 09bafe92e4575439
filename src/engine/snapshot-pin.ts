import { isJsonObject, type JsonValue } from "../shared/json.ts";

/** Catalog value: a snapshot that somebody still reads, `{ts, until}` in microseconds and milliseconds. */
export const SNAPSHOT_PIN = "snapshotPin";

/** Clean-up goes no further than this. `null`: there is none, or its time is over. */
export function pinnedTs(values: ReadonlyMap<string, JsonValue>, now: number): number | null {
  const pin = values.get(SNAPSHOT_PIN);
  if (!isJsonObject(pin)) return null;
  const { ts, until } = pin;
  return typeof ts === "number" && typeof until === "number" && until > now ? ts : null;
}
