import { FollowedLog } from "../engine/followed-log.ts";
import { RowCache } from "../engine/row-cache.ts";
import { QueryCache } from "../runtime/functions/query-cache.ts";
import { ReadMemory } from "../runtime/functions/read-memory.ts";
import type { Core } from "./runtime.ts";
import { clock, keepAlive } from "./system.ts";

/** `null` when the settings say that nothing is kept. */
export function composeReadMemory({ settings, persistence }: Core): ReadMemory | null {
  const { queryCacheBytes, rowCacheBytes } = settings;
  if (queryCacheBytes === 0 && rowCacheBytes === 0) return null;
  const log = new FollowedLog();
  return new ReadMemory({
    persistence,
    log,
    queries: queryCacheBytes === 0 ? null : new QueryCache(queryCacheBytes, log),
    rows: rowCacheBytes === 0 ? null : new RowCache(rowCacheBytes, log),
    clock,
    keepAlive,
  });
}
