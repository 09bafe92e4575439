import type { AppVersion } from "../../protocol/app.ts";
import type { LineEdit } from "./realm-module.ts";

/** Where pushed code is kept: content-addressed, immutable. Implemented on R2. */
export interface CodeSource {
  /** Throws when the version is unknown: the catalog never names one that was not stored first. */
  app(version: string): Promise<AppVersion>;
  /** Every isolate module by key, rewritten for calls (`realm-module.ts`). `key` is the bundle's. */
  realms(key: string): Promise<Readonly<Record<string, string>>>;
  /** What the rewriting did to the lines of each module. */
  realmEdits(key: string): Promise<(module: string) => readonly LineEdit[]>;
  sourceMap(key: string): Promise<string | null>;
}
