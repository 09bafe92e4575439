import { type JsonObject, type JsonValue, isJsonObject } from "../shared/json.ts";
import { encodeInt64, specialKey } from "./special-value.ts";

/**
 * The value with every `{"$commitTs":null}` replaced by the commit timestamp, in nanoseconds (`abi.md` §3.3). The size
 * stays the same. Copies only what holds one.
 */
export function resolveCommitTs(value: JsonValue, nanoseconds: bigint): JsonValue {
  return resolve(value, encodeInt64(nanoseconds));
}

function resolve(value: JsonValue, timestamp: JsonObject): JsonValue {
  if (value === null || typeof value !== "object") return value;
  if (!isJsonObject(value)) {
    const items = value.map((item) => resolve(item, timestamp));
    return items.every((item, i) => item === value[i]) ? value : items;
  }
  const special = specialKey(value);
  if (special !== null) return special === "$commitTs" ? timestamp : value;
  const fields = Object.entries(value).map(([name, item]) => [name, resolve(item, timestamp)] as const);
  return fields.every(([name, item]) => item === value[name]) ? value : Object.fromEntries(fields);
}
