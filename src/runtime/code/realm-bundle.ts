import { z } from "zod";
import { type LineEdit, lineEdits, REALM_FORMAT, realmModule, type RealmModule } from "./realm-module.ts";

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
  return (await store.bundle(realmsKey(bundleKey))) ?? (await rewrite(store, bundleKey, pause))?.sources ?? null;
}

/** Where the rewriting changed lines of one of the modules: what a stack needs, without rewriting anything again. */
export async function realmEdits(
  store: Bundles,
  bundleKey: string,
  pause: () => Promise<void>,
): Promise<(key: string) => readonly LineEdit[]> {
  const edits = (await store.bundle(editsKey(bundleKey))) ?? (await rewrite(store, bundleKey, pause))?.edits ?? {};
  return (key) => EDITS.parse(JSON.parse(edits[key] ?? "[]"));
}

const EDITS = z.array(z.tuple([z.number(), z.number(), z.number(), z.number()]));

function realmsKey(bundleKey: string): string {
  return `realms/${REALM_FORMAT}/${bundleKey}`;
}

function editsKey(bundleKey: string): string {
  return `edits/${REALM_FORMAT}/${bundleKey}`;
}

async function rewrite(
  store: Bundles,
  bundleKey: string,
  pause: () => Promise<void>,
): Promise<{ readonly sources: Bundle; readonly edits: Bundle } | null> {
  const pushed = await store.bundle(bundleKey);
  if (pushed === null) return null;
  const sources: Record<string, string> = {};
  const edits: Record<string, string> = {};
  let sincePause = 0;
  for (const [key, source] of Object.entries(pushed)) {
    const module = rewritten(key, source);
    sources[key] = module.code;
    edits[key] = JSON.stringify(lineEdits(source, module.edits));
    sincePause += source.length;
    if (sincePause < PAUSE_AFTER) continue;
    sincePause = 0;
    await pause();
  }
  await store.putBundle(editsKey(bundleKey), edits);
  await store.putBundle(realmsKey(bundleKey), sources);
  return { sources, edits };
}

export function realmSources(sources: Bundle): Bundle {
  return Object.fromEntries(Object.entries(sources).map(([key, source]) => [key, rewritten(key, source).code]));
}

/** What is no JavaScript stays as it is: the platform says so in its own words when it loads it. */
function rewritten(key: string, source: string): RealmModule {
  try {
    return realmModule(key, source);
  } catch (error) {
    if (error instanceof SyntaxError) return { code: source, edits: [] };
    throw error;
  }
}
