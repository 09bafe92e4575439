import type {
  ByteRange,
  Chunks,
  FileBody,
  FileRef,
  FileStore,
  ObjectPage,
  StoredBytes,
  StoredObject,
} from "../engine/file-store.ts";
import { copyHashed } from "./copy-hashed.ts";
import { checkHash } from "./hash-mismatch.ts";
import { storeInParts } from "./multipart.ts";
import { hashed, SMALL_BODY_BYTES, smallBody } from "./small-body.ts";
import { dayPrefix, objectKey, parseObjectKey } from "./object-key.ts";

/** R2 takes up to 5 GiB at once. */
const MAX_SINGLE_PUT = 4 * 1024 ** 3;

/** R2 deletes at most this many keys in one call. */
const DELETE_KEYS = 1000;

export class R2FileStore implements FileStore {
  readonly #bucket: R2Bucket;

  constructor(bucket: R2Bucket) {
    this.#bucket = bucket;
  }

  async put(file: FileRef, { bytes, size, sha256 }: FileBody): Promise<StoredBytes> {
    const key = objectKey(file);
    if (size !== null && size <= SMALL_BODY_BYTES) return this.#putSmall(key, await smallBody(bytes, size), sha256);
    const isSingle = size !== null && size <= MAX_SINGLE_PUT;
    const stored = await (isSingle ? this.#putWhole(key, bytes, size) : storeInParts(this.#bucket, key, bytes));
    if (size !== null && stored.size !== size) throw new Error(`${stored.size} bytes came instead of ${size}`);
    try {
      checkHash(stored, sha256);
    } catch (error) {
      await this.#bucket.delete(key);
      throw error;
    }
    return stored;
  }

  /** Streams cost as much as all the rest: what is one chunk goes as one. */
  async #putSmall(key: string, bytes: Uint8Array<ArrayBuffer>, sha256: string | null): Promise<StoredBytes> {
    const stored = await hashed(bytes);
    checkHash(stored, sha256);
    await this.#bucket.put(key, bytes);
    return stored;
  }

  /** R2 takes a stream only when its length is known beforehand. */
  async #putWhole(key: string, bytes: Chunks, size: number): Promise<StoredBytes> {
    const { readable, writable } = new FixedLengthStream(size);
    const putting = this.#bucket.put(key, readable);
    const writer = writable.getWriter();
    const copying = copyHashed(bytes, (chunk) => writer.write(chunk)).then(
      async (stored) => {
        await writer.close();
        return stored;
      },
      async (error: unknown) => {
        // Makes R2 give up, too; that it does is no news.
        await writer.abort(error).catch(() => undefined);
        throw error;
      },
    );
    const [copied, put] = await Promise.allSettled([copying, putting]);
    if (copied.status === "rejected") throw copied.reason;
    if (put.status === "rejected") throw put.reason;
    return copied.value;
  }

  async get(file: FileRef, range?: ByteRange): Promise<ReadableStream<Uint8Array> | null> {
    const object = await this.#bucket.get(objectKey(file), range === undefined ? {} : { range });
    return object === null ? null : object.body;
  }

  async delete(files: readonly FileRef[]): Promise<void> {
    for (let start = 0; start < files.length; start += DELETE_KEYS) {
      await this.#bucket.delete(files.slice(start, start + DELETE_KEYS).map(objectKey));
    }
  }

  async list(day: number, cursor: string | null): Promise<ObjectPage> {
    const page = await this.#bucket.list({ prefix: dayPrefix(day), ...(cursor === null ? {} : { cursor }) });
    return { objects: page.objects.flatMap(storedObject), cursor: page.truncated ? page.cursor : null };
  }
}

/** Of an object that is no file, none: what others put into the bucket is left alone. */
function storedObject({ key, uploaded }: R2Object): StoredObject[] {
  const file = parseObjectKey(key);
  return file === null ? [] : [{ file, storedAt: uploaded.getTime() }];
}
