import { type ByteRange, type FileNames, type FileRef, type FileStore, isUuid } from "../engine/file-store.ts";
import type { ComponentPath } from "../engine/names.ts";
import type { StoredFile } from "../engine/stored-files.ts";
import { must } from "../shared/assert.ts";
import { badRequest, CodedError } from "../shared/coded-error.ts";

export interface DownloadParts {
  readonly store: FileStore;
  /** `null`: nothing was ever deployed here. */
  readonly names: () => Promise<FileNames | null>;
  /** By the newest committed state. */
  readonly find: (ref: FileRef) => Promise<StoredFile | null>;
}

/** Files by the URLs that `storage.getUrl` gives out. */
export class Downloads {
  readonly #parts: DownloadParts;

  constructor(parts: DownloadParts) {
    this.#parts = parts;
  }

  async find(component: ComponentPath, name: string): Promise<StoredFile> {
    const ref = await this.#ref(component, name);
    const file = await this.#parts.find(ref);
    if (file === null) throw notFound(name);
    return file;
  }

  /** Looks for the document and its bytes at once: most requests are for files that exist, and for all of them. */
  async open(
    component: ComponentPath,
    name: string,
  ): Promise<{ readonly file: StoredFile; readonly bytes: ReadableStream<Uint8Array> }> {
    const { find, store } = this.#parts;
    const ref = await this.#ref(component, name);
    const opening = store.get(ref);
    const [found, opened] = await Promise.allSettled([find(ref), opening]);
    const bytes = opened.status === "fulfilled" ? opened.value : null;
    if (found.status === "rejected" || found.value === null) {
      await bytes?.cancel();
      if (found.status === "rejected") throw found.reason;
      throw notFound(name);
    }
    if (opened.status === "rejected") throw opened.reason;
    return { file: found.value, bytes: must(bytes, `the bytes of file ${ref.id}`) };
  }

  /** Without a range, all of it. */
  async openPart(file: StoredFile, range?: ByteRange): Promise<ReadableStream<Uint8Array>> {
    return must(await this.#parts.store.get(file.ref, range), `the bytes of file ${file.ref.id}`);
  }

  async #ref(component: ComponentPath, name: string): Promise<FileRef> {
    if (!isUuid(name)) {
      throw badRequest(
        "InvalidStoragePath",
        `Invalid storage path: "${name}". Use \`storage.getUrl(storageId)\` to get the URL of a file.`,
      );
    }
    const names = await this.#parts.names();
    if (names === null) throw notFound(name);
    return { component, id: await names.id(name) };
  }
}

function notFound(name: string): CodedError {
  return new CodedError("NotFound", "FileNotFound", `File ${name} not found`);
}
