import type { AppVersion } from "../../protocol/app.ts";

/** Where pushed code is kept: content-addressed, immutable. Implemented on R2. */
export interface CodeSource {
  /** Throws when the version is unknown: the catalog never names one that was not stored first. */
  app(version: string): Promise<AppVersion>;
  /** Sources of every isolate module by key, as pushed. */
  bundle(key: string): Promise<Readonly<Record<string, string>>>;
  /** The same modules rewritten for calls (`realm-module.ts`). `key` is the bundle's. */
  realms(key: string): Promise<Readonly<Record<string, string>>>;
  sourceMap(key: string): Promise<string | null>;
}
