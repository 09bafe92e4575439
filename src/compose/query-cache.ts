import { FreshQueryCache } from "../runtime/functions/fresh-query-cache.ts";
import { QueryCache } from "../runtime/functions/query-cache.ts";
import type { Core } from "./runtime.ts";
import { clock, keepAlive } from "./system.ts";

/** `null` when the setting says that nothing is kept. */
export function composeQueryCache({ settings, persistence }: Core): FreshQueryCache | null {
  if (settings.queryCacheBytes === 0) return null;
  return new FreshQueryCache({ persistence, cache: new QueryCache(settings.queryCacheBytes), clock, keepAlive });
}
