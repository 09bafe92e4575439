import type { Catalog } from "./catalog.ts";
import type { ComponentPath, InternalId } from "./names.ts";

/** A file is the bytes that belong to one document of its component's table `_storage`. */
export interface FileRef {
  readonly component: ComponentPath;
  readonly id: InternalId;
}

/** Each chunk is valid until the next one is asked for. */
export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface FileBody {
  readonly bytes: Chunks;
  /** `null`: known only at the end. */
  readonly size: number | null;
  /** In base64: what the hash of the bytes has to be, `null` for anything. */
  readonly sha256: string | null;
}

export interface StoredBytes {
  readonly size: number;
  /** In base64. */
  readonly sha256: string;
}

export interface ByteRange {
  readonly offset: number;
  /** At least 1, and not beyond the end. */
  readonly length: number;
}

export interface StoredObject {
  readonly file: FileRef;
  /** When the last byte was stored. Milliseconds. */
  readonly storedAt: number;
}

export interface ObjectPage {
  readonly objects: readonly StoredObject[];
  /** Where the next page begins, `null` behind the last one. */
  readonly cursor: string | null;
}

/**
 * The bytes of files. Whether a file exists is said by its document alone: what is here without one was never
 * committed, or is deleted and not yet cleaned up. A file is stored once and never changes.
 */
export interface FileStore {
  /**
   * Takes the bytes as fast as it can store them, however many they are. Resolves when they are durable; rejects with
   * nothing stored when they break off, or have another size or another hash.
   */
  put(file: FileRef, body: FileBody): Promise<StoredBytes>;
  /** `null`: there are no such bytes. A stream that is not read must be cancelled. */
  get(file: FileRef, range?: ByteRange): Promise<ReadableStream<Uint8Array> | null>;
  /** What is not there is deleted already. */
  delete(files: readonly FileRef[]): Promise<void>;
  /** What is stored of the ids drawn on `day` (days since the Unix epoch), in any order. */
  list(day: number, cursor: string | null): Promise<ObjectPage>;
}

/** Public names of files: unguessable, each the name of one id, and unchanged for as long as the file exists. */
export interface FileNames {
  /** Lower-case UUID. */
  uuid(id: InternalId): Promise<string>;
  /** Of any UUID, also of one that was never given out. */
  id(uuid: string): Promise<InternalId>;
}

export interface FileAddresses {
  names(catalog: Catalog): FileNames;
  /** Where whoever has it may store files in the component, for a limited time. */
  uploadUrl(component: ComponentPath): Promise<string>;
  downloadUrl(component: ComponentPath, uuid: string): string;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}
