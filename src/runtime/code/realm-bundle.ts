import { REALM_FORMAT, realmModule } from "./realm-module.ts";

/** Sources by module key. */
export type Bundle = Readonly<Record<string, string>>;

interface Bundles {
  bundle(key: string): Promise<Bundle | null>;
  putBundle(key: string, sources: Bundle): Promise<void>;
}

/** Characters to rewrite, at some 5 MB/s, before other requests get their turn. */
const PAUSE_AFTER = 512 * 1024;

/**
 * The modules of a pushed bundle, rewritten for realms. Made when code is pushed and kept beside the bundle; made
 * again when another version of this backend rewrites them otherwise. `pause`: lets other requests have their turn.
 */
export async function realmBundle(
  store: Bundles,
  bundleKey: string,
  pause: () => Promise<void>,
): Promise<Bundle | null> {
  const key = `realms/${REALM_FORMAT}/${bundleKey}`;
  const stored = await store.bundle(key);
  if (stored !== null) return stored;
  const sources = await store.bundle(bundleKey);
  if (sources === null) return null;
  const rewritten: Record<string, string> = {};
  let sincePause = 0;
  for (const [key, source] of Object.entries(sources)) {
    rewritten[key] = realmSource(key, source);
    sincePause += source.length;
    if (sincePause < PAUSE_AFTER) continue;
    sincePause = 0;
    await pause();
  }
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
