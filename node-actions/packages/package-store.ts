import { symlink } from "node:fs/promises";
import { join } from "node:path";
import type { NodePackage } from "../../src/protocol/node-actions.ts";
import { Refusal } from "../refusal.ts";
import type { CacheDirectory } from "./cache-directory.ts";
import { externalsKey, type Externals } from "./externals.ts";
import { fingerprint, isIntact, sha256, unpack } from "./unpack.ts";

export interface PreparedPackage {
  readonly directory: string;
  /** Keeps the package where it is until it is called. */
  readonly release: () => void;
}

export interface StoreSettings {
  readonly packageBytes: number;
}

/** Bytes of a zip, from the Worker by signed GET. Rejects with a `Refusal`. */
export type FetchPackage = (url: string, bytes: number) => Promise<Uint8Array>;

/** Zips unpack to at most this many times their permitted size. */
const UNPACKED_RATIO = 4;

/** Code packages by hash: fetched once, checked, and fetched again when the disk has damaged them. */
export class PackageStore {
  readonly #cache: CacheDirectory;
  readonly #externals: Externals;
  readonly #fetchPackage: FetchPackage;
  readonly #settings: StoreSettings;
  readonly #preparing = new Map<string, Promise<void>>();
  /** Fingerprints of packages that were found intact. */
  readonly #intact = new Map<string, string>();

  constructor(cache: CacheDirectory, externals: Externals, fetchPackage: FetchPackage, settings: StoreSettings) {
    this.#cache = cache;
    this.#externals = externals;
    this.#fetchPackage = fetchPackage;
    this.#settings = settings;
  }

  /** Where the package is once it is prepared. */
  directoryOf(pkg: NodePackage, binary: string): string {
    return this.#cache.directoryOf(entryName(pkg, binary));
  }

  /** Of a package that a process has loaded already. Undefined when it has left the cache. */
  hold(pkg: NodePackage, binary: string): (() => void) | undefined {
    const name = entryName(pkg, binary);
    return this.#cache.has(name) ? this.#cache.pin(name) : undefined;
  }

  /** Rejects with a `Refusal` whose message is for the developer. */
  async prepare(pkg: NodePackage, binary: string): Promise<PreparedPackage> {
    const name = entryName(pkg, binary);
    await this.#once(name, () => this.#prepare(pkg, binary, name));
    if (!this.#cache.has(name)) {
      const message = "The package cache is too small for the packages in use [CONVECTION_NODE_CACHE_BYTES].";
      throw new Refusal(503, "CacheTooSmall", message, { retryable: true });
    }
    const releasePackage = this.#cache.pin(name);
    const releaseExternals = this.#externals.hold(pkg.externals, binary);
    return {
      directory: this.#cache.directoryOf(name),
      release: () => {
        releasePackage();
        releaseExternals();
      },
    };
  }

  /** Callers that need the same package at the same time share one preparation. */
  async #once(name: string, prepare: () => Promise<void>): Promise<void> {
    const running = this.#preparing.get(name);
    if (running !== undefined) return running;
    const started = prepare();
    this.#preparing.set(name, started);
    try {
      await started;
    } finally {
      this.#preparing.delete(name);
    }
  }

  async #prepare(pkg: NodePackage, binary: string, name: string): Promise<void> {
    const installed = await this.#externals.install(pkg.externals, binary);
    if (await this.#isUsable(name)) return;
    if (pkg.bytes > this.#settings.packageBytes) {
      const limit = `${this.#settings.packageBytes} [CONVECTION_NODE_PACKAGE_BYTES]`;
      throw new Refusal(422, "PackageTooLarge", `The code package has ${pkg.bytes} bytes (limit: ${limit}).`);
    }
    await this.#cache.makeRoom(pkg.bytes);
    const zip = await this.#fetchPackage(pkg.url, pkg.bytes);
    if (sha256(zip) !== pkg.hash) {
      const message = "The code package is not the one that was asked for.";
      throw new Refusal(502, "PackageDamaged", message, { retryable: true });
    }
    const temporary = await this.#cache.temporary();
    try {
      await unpack(zip, temporary, UNPACKED_RATIO * this.#settings.packageBytes);
      if (installed !== undefined) await symlink(join(installed, "node_modules"), join(temporary, "node_modules"));
      await this.#cache.adopt(temporary, name);
    } finally {
      await this.#cache.discard(temporary);
    }
    this.#intact.set(name, await fingerprint(this.#cache.directoryOf(name)));
  }

  async #isUsable(name: string): Promise<boolean> {
    if (!this.#cache.has(name)) {
      this.#intact.delete(name);
      return false;
    }
    const directory = this.#cache.directoryOf(name);
    const found = await fingerprint(directory);
    if (found === this.#intact.get(name)) return true;
    if (!(await isIntact(directory))) {
      this.#intact.delete(name);
      await this.#cache.remove(name);
      return false;
    }
    this.#intact.set(name, found);
    return true;
  }
}

function entryName(pkg: NodePackage, binary: string): string {
  return pkg.externals.length === 0 ? pkg.hash : `${pkg.hash}-${externalsKey(pkg.externals, binary)}`;
}
