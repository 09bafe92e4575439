import { D1Persistence } from "../persistence/d1/d1-persistence.ts";
import { parseSettings } from "../protocol/parse-settings.ts";
import { type SearchComposition, SearchObject } from "../search/search-object.ts";
import type { Bindings } from "./environment.ts";
import { clock, log, pause } from "./system.ts";

/** The Durable Object class that wrangler.toml names. */
export class Search extends SearchObject<Bindings> {
  protected override compose(bindings: Bindings): SearchComposition {
    const settings = parseSettings(bindings);
    return {
      persistence: new D1Persistence(bindings.DB, { timeoutMs: settings.d1ReadTimeoutMs }),
      clock,
      log,
      pause,
      retentionMs: settings.retentionMs,
      vectorize: bindings.VECTORIZE ?? null,
      memoryBytes: settings.searchMemoryBytes,
    };
  }
}
