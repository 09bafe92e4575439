import type { Catalog } from "../engine/catalog.ts";
import type { FileAddresses, FileNames } from "../engine/file-store.ts";
import type { ComponentPath } from "../engine/names.ts";
import { EncryptedFileNames } from "./file-names.ts";
import type { UploadTokens } from "./upload-tokens.ts";

export interface FileUrlParts {
  /** Origin of the API as clients see it, without a trailing slash. */
  readonly origin: string;
  readonly tokens: UploadTokens;
  /** Secret of the deployment's file names, which stays for good. */
  readonly secretOf: (catalog: Catalog) => string;
}

export class FileUrls implements FileAddresses {
  readonly #parts: FileUrlParts;
  #names: { readonly secret: string; readonly names: FileNames } | null = null;

  constructor(parts: FileUrlParts) {
    this.#parts = parts;
  }

  names(catalog: Catalog): FileNames {
    const secret = this.#parts.secretOf(catalog);
    if (this.#names?.secret !== secret) this.#names = { secret, names: new EncryptedFileNames(secret) };
    return this.#names.names;
  }

  async uploadUrl(component: ComponentPath): Promise<string> {
    return `${this.#parts.origin}/api/storage/upload?token=${await this.#parts.tokens.issue(component)}`;
  }

  downloadUrl(component: ComponentPath, uuid: string): string {
    const query = component === "" ? "" : `?component=${encodeURIComponent(component)}`;
    return `${this.#parts.origin}/api/storage/${uuid}${query}`;
  }
}
