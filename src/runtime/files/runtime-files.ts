import type { FileAddresses, FileBody, FileStore } from "../../engine/file-store.ts";
import type { ComponentPath } from "../../engine/names.ts";

/** File storage as functions reach it. */
export interface RuntimeFiles {
  readonly store: FileStore;
  readonly addresses: FileAddresses;
}

/** For actions: outside of any transaction, the bytes and then the document that makes them a file. */
export interface FileUploads {
  /** Resolves with the id of the document. */
  store(component: ComponentPath, file: FileBody & { readonly contentType: string | null }): Promise<string>;
}
