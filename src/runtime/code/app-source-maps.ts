import type { AppVersion } from "../../protocol/app.ts";
import type { CodeSource } from "./code-source.ts";
import { originalColumn } from "./realm-module.ts";
import { type ModuleMap, parseSourceMap, plainMap, type SourceMaps } from "./source-map.ts";

/** Parsed maps by R2 key. Content-addressed, so never stale; bounded, since one map can be megabytes. */
const parsed = new Map<string, ModuleMap | null>();
const MAX_PARSED = 64;

/** From what runs, which is rewritten (`realm-module.ts`), to what was pushed, and from there to the sources. */
export function sourceMapsOf(code: CodeSource, app: AppVersion): SourceMaps {
  /** Node modules run as they were pushed. */
  const pushedMap = async (mapKey: string): Promise<ModuleMap | null> => {
    const text = await code.sourceMap(mapKey);
    return text === null ? null : plainMap(text);
  };
  const isolateMap = async (key: string, mapKey: string): Promise<ModuleMap | null> => {
    const [text, editsOf] = await Promise.all([code.sourceMap(mapKey), code.realmEdits(app.bundleKey)]);
    if (text === null) return null;
    const edits = editsOf(key);
    return { map: parseSourceMap(text), pushedColumn: (line, column) => originalColumn(edits, line, column) };
  };
  return {
    async sourceMap(key) {
      const module = app.modules.find((candidate) => candidate.key === key);
      const mapKey = module?.sourceMapKey;
      if (mapKey === undefined) return null;
      const known = parsed.get(mapKey);
      if (known !== undefined) return known;
      const map = module?.environment === "node" ? await pushedMap(mapKey) : await isolateMap(key, mapKey);
      if (parsed.size >= MAX_PARSED) parsed.clear();
      parsed.set(mapKey, map);
      return map;
    },
  };
}
