import { REALM_FORMAT, realmModule } from "./realm-module.ts";

/** Sources by module key. */
export type Bundle = Readonly<Record<string, string>>;

interface Bundles {
  bundle(key: string): Promise<Bundle | null>;
  putBundle(key: string, sources: Bundle): Promise<void>;
}

/**
 * The modules of a pushed bundle, rewritten for realms. Made when code is pushed and kept beside the bundle; made
 * again when another version of this backend rewrites them otherwise.
 */
export async function realmBundle(store: Bundles, bundleKey: string): Promise<Bundle | null> {
  const key = `realms/${REALM_FORMAT}/${bundleKey}`;
  const stored = await store.bundle(key);
  if (stored !== null) return stored;
  const sources = await store.bundle(bundleKey);
  if (sources === null) return null;
  const rewritten = realmSources(sources);
  await store.putBundle(key, rewritten);
  return rewritten;
}

export function realmSources(sources: Bundle): Bundle {
  return Object.fromEntries(Object.entries(sources).map(([key, source]) => [key, realmSource(key, source)]));
}

/** What is no JavaScript stays as it is: the platform says so in its own words when it loads it. */
function realmSource(key: string, source: string): string {
  try {
    return realmModule(key, source).code;
  } catch (error) {
    if (error instanceof SyntaxError) return source;
    throw error;
  }
}
