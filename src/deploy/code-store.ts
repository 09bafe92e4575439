import type { AppVersion } from "../protocol/app.ts";
import type { ModuleSources } from "./module-sources.ts";

/** The part of an `R2Bucket` that code needs. */
export interface ObjectBucket {
  get(key: string): Promise<{ text(): Promise<string>; arrayBuffer(): Promise<ArrayBuffer> } | null>;
  put(key: string, value: string | Uint8Array): Promise<unknown>;
}

/**
 * Pushed code in R2. Every key but the app version's is a hash of the content, and the version is one of everything
 * it names, so an object never changes: it may be written twice, and cached for ever.
 */
export class CodeStore {
  readonly #bucket: ObjectBucket;

  constructor(bucket: ObjectBucket) {
    this.#bucket = bucket;
  }

  async putModule(hash: string, source: string, sourceMap: string | undefined): Promise<void> {
    await Promise.all([
      this.#bucket.put(moduleKey(hash), source),
      sourceMap === undefined ? undefined : this.#bucket.put(sourceMapKey(hash), sourceMap),
    ]);
  }

  async source(hash: string): Promise<string | null> {
    return await this.#text(moduleKey(hash));
  }

  async sourceMap(key: string): Promise<string | null> {
    return await this.#text(key);
  }

  async putBundle(key: string, sources: ModuleSources): Promise<void> {
    await this.#bucket.put(key, JSON.stringify(sources));
  }

  /** Every isolate module of a version, in one read. */
  async bundle(key: string): Promise<ModuleSources | null> {
    return await this.#json<ModuleSources>(key);
  }

  /** Zip of `"use node"` modules, by the hash of its bytes. */
  async putPackage(hash: string, zip: Uint8Array): Promise<void> {
    await this.#bucket.put(packageKey(hash), zip);
  }

  async package(hash: string): Promise<ArrayBuffer | null> {
    const object = await this.#bucket.get(packageKey(hash));
    return object === null ? null : await object.arrayBuffer();
  }

  async putApp(app: AppVersion): Promise<void> {
    await this.#bucket.put(appKey(app.version), JSON.stringify(app));
  }

  async app(version: string): Promise<AppVersion | null> {
    return await this.#json<AppVersion>(appKey(version));
  }

  async #text(key: string): Promise<string | null> {
    const object = await this.#bucket.get(key);
    return object === null ? null : await object.text();
  }

  // Only this class writes under these prefixes, so what it reads has the shape it wrote.
  async #json<T>(key: string): Promise<T | null> {
    const text = await this.#text(key);
    return text === null ? null : (JSON.parse(text) as T);
  }
}

export function moduleKey(hash: string): string {
  return `modules/${hash}`;
}

/** `hash` is the module's, which covers its map. */
export function sourceMapKey(hash: string): string {
  return `maps/${hash}`;
}

export function bundleKey(hash: string): string {
  return `bundles/${hash}`;
}

function packageKey(hash: string): string {
  return `packages/${hash}.zip`;
}

function appKey(version: string): string {
  return `apps/${version}.json`;
}
