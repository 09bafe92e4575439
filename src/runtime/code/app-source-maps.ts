import type { TraceMap } from "@jridgewell/trace-mapping";
import type { AppVersion } from "../../protocol/app.ts";
import type { CodeSource } from "./code-source.ts";
import { parseSourceMap, type SourceMaps } from "./source-map.ts";

/** Parsed maps by R2 key. Content-addressed, so never stale; bounded, since one map can be megabytes. */
const parsed = new Map<string, TraceMap | null>();
const MAX_PARSED = 64;

export function sourceMapsOf(code: CodeSource, app: AppVersion): SourceMaps {
  return {
    async sourceMap(key) {
      const mapKey = app.modules.find((module) => module.key === key)?.sourceMapKey;
      if (mapKey === undefined) return null;
      const known = parsed.get(mapKey);
      if (known !== undefined) return known;
      const text = await code.sourceMap(mapKey);
      const map = text === null ? null : parseSourceMap(text);
      if (parsed.size >= MAX_PARSED) parsed.clear();
      parsed.set(mapKey, map);
      return map;
    },
  };
}
