import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { lstat, mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";

interface Entry {
  readonly bytes: number;
  lastUsed: number;
  pins: number;
}

export interface CacheSettings {
  readonly cacheBytes: number;
}

/** May an entry that nobody holds be removed? Ends what still runs from it. */
export type BeforeRemoval = (directory: string) => void;

/** Between two writes of the time of use to the disk, where a restart finds it. */
const TOUCH_MS = 60_000;

/**
 * Directories that appear whole or not at all, and leave by least recent use when they are too large together. A crash
 * leaves at most a temporary directory behind, which the next start removes.
 */
export class CacheDirectory {
  readonly root: string;
  readonly #settings: CacheSettings;
  readonly #now: () => number;
  readonly #beforeRemoval: BeforeRemoval;
  readonly #entries = new Map<string, Entry>();

  private constructor(root: string, settings: CacheSettings, now: () => number, beforeRemoval: BeforeRemoval) {
    this.root = root;
    this.#settings = settings;
    this.#now = now;
    this.#beforeRemoval = beforeRemoval;
  }

  static async open(
    root: string,
    settings: CacheSettings,
    now: () => number,
    beforeRemoval: BeforeRemoval,
  ): Promise<CacheDirectory> {
    const cache = new CacheDirectory(root, settings, now, beforeRemoval);
    await mkdir(join(root, "entries"), { recursive: true, mode: 0o755 });
    await assertOwned(root);
    await rm(join(root, "temporary"), { recursive: true, force: true });
    await mkdir(join(root, "temporary"), { mode: 0o755 });
    for (const name of await readdir(join(root, "entries"))) {
      const directory = cache.directoryOf(name);
      const { mtimeMs } = await stat(directory);
      cache.#entries.set(name, { bytes: await sizeOf(directory), lastUsed: mtimeMs, pins: 0 });
    }
    return cache;
  }

  get bytes(): number {
    return [...this.#entries.values()].reduce((total, { bytes }) => total + bytes, 0);
  }

  directoryOf(name: string): string {
    return join(this.root, "entries", name);
  }

  /** Known and there. Marks it used. */
  has(name: string): boolean {
    const entry = this.#entries.get(name);
    if (entry === undefined || !existsSync(this.directoryOf(name))) return false;
    this.#touch(name, entry);
    return true;
  }

  /** Keeps an entry from removal until the returned function is called. */
  pin(name: string): () => void {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new Error(`${name} is not in the cache`);
    entry.pins++;
    this.#touch(name, entry);
    let held = true;
    return () => {
      if (held) entry.pins--;
      held = false;
    };
  }

  /** An empty directory of its own, which becomes an entry by `adopt` or is removed by `discard`. */
  async temporary(): Promise<string> {
    const directory = join(this.root, "temporary", randomUUID());
    await mkdir(directory, { mode: 0o755 });
    return directory;
  }

  async adopt(temporary: string, name: string): Promise<void> {
    const bytes = await sizeOf(temporary);
    await this.remove(name);
    await this.makeRoom(bytes);
    await rename(temporary, this.directoryOf(name));
    this.#entries.set(name, { bytes, lastUsed: this.#now(), pins: 0 });
  }

  async discard(temporary: string): Promise<void> {
    await rm(temporary, { recursive: true, force: true });
  }

  /** Whatever holds it. */
  async remove(name: string): Promise<void> {
    this.#entries.delete(name);
    const directory = this.directoryOf(name);
    this.#beforeRemoval(directory);
    const grave = join(this.root, "temporary", randomUUID());
    try {
      await rename(directory, grave);
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    await rm(grave, { recursive: true, force: true });
  }

  /** Removes what was unused longest until `bytes` more fit. What is in use stays, even if it is too much. */
  async makeRoom(bytes: number): Promise<void> {
    const candidates = [...this.#entries].toSorted(([, a], [, b]) => a.lastUsed - b.lastUsed);
    for (const [name, { pins }] of candidates) {
      if (this.bytes + bytes <= this.#settings.cacheBytes) return;
      if (pins === 0) await this.remove(name);
    }
  }

  #touch(name: string, entry: Entry): void {
    const now = this.#now();
    if (now - entry.lastUsed > TOUCH_MS) {
      // Only the order after a restart depends on it.
      utimes(this.directoryOf(name), now / 1000, now / 1000).catch(() => undefined);
    }
    entry.lastUsed = now;
  }
}

/** What lies in it is run: nobody else may have put it there, as they could in a shared temporary directory. */
async function assertOwned(root: string): Promise<void> {
  const { uid } = await stat(root);
  if (process.getuid === undefined || uid === process.getuid() || uid === 0) return;
  throw new Error(`The cache directory ${root} belongs to another user [CONVECTION_NODE_CACHE].`);
}

async function sizeOf(path: string): Promise<number> {
  const { size } = await lstat(path);
  const children = await readdir(path, { recursive: true, withFileTypes: true });
  let total = size;
  for (const child of children) total += (await lstat(join(child.parentPath, child.name))).size;
  return total;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
