import type { FileAddresses, FileStore } from "../../engine/file-store.ts";
import type { ComponentPath } from "../../engine/names.ts";

/** File storage as functions reach it. */
export interface RuntimeFiles {
  readonly store: FileStore;
  readonly addresses: FileAddresses;
}

/** Bytes that come from a user's isolate, with what it says about them. */
export interface NewFile {
  readonly bytes: ReadableStream<Uint8Array>;
  readonly size: number;
  readonly contentType: string | null;
  readonly sha256: string | null;
}

/** For actions: outside of any transaction, the bytes and then the document that makes them a file. */
export interface FileUploads {
  /** Resolves with the id of the document. */
  store(component: ComponentPath, file: NewFile): Promise<string>;
}
