import type { AppVersion } from "../../protocol/app.ts";
import type { CodeSource } from "./code-source.ts";
import { originalColumn, realmModule } from "./realm-module.ts";
import { type ModuleMap, parseSourceMap, type SourceMaps } from "./source-map.ts";

/** Parsed maps by R2 key. Content-addressed, so never stale; bounded, since one map can be megabytes. */
const parsed = new Map<string, ModuleMap | null>();
const MAX_PARSED = 64;

/** From what runs, which is rewritten (`realm-module.ts`), to what was pushed, and from there to the sources. */
export function sourceMapsOf(code: CodeSource, app: AppVersion): SourceMaps {
  return {
    async sourceMap(key) {
      const mapKey = app.modules.find((module) => module.key === key)?.sourceMapKey;
      if (mapKey === undefined) return null;
      const known = parsed.get(mapKey);
      if (known !== undefined) return known;
      const [text, sources] = await Promise.all([code.sourceMap(mapKey), code.bundle(app.bundleKey)]);
      const source = sources[key];
      const map = text === null || source === undefined ? null : rewrittenMap(key, source, text);
      if (parsed.size >= MAX_PARSED) parsed.clear();
      parsed.set(mapKey, map);
      return map;
    },
  };
}

function rewrittenMap(key: string, source: string, text: string): ModuleMap {
  const { edits } = realmModule(key, source);
  return {
    map: parseSourceMap(text),
    pushedColumn: (line, column) => originalColumn(source, edits, line, column),
  };
}
