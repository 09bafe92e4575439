import type { Chunks, StoredBytes } from "../engine/file-store.ts";
import { copyHashed } from "./copy-hashed.ts";

/** All parts but the last are equally long, and R2 takes 10,000 of at least 5 MiB: files of up to 80 GiB. */
const PART_BYTES = 8 * 1024 * 1024;

/** Stores bytes whose number nobody knows. One part of it is in memory at a time. */
export async function storeInParts(bucket: R2Bucket, key: string, bytes: Chunks): Promise<StoredBytes> {
  const parts = new Parts(bucket, key);
  try {
    const stored = await copyHashed(bytes, (chunk) => parts.add(chunk));
    await parts.finish();
    return stored;
  } catch (error) {
    await parts.abort();
    throw error;
  }
}

/** What fits into one part is an ordinary object. */
class Parts {
  readonly #bucket: R2Bucket;
  readonly #key: string;
  readonly #part = new Uint8Array(PART_BYTES);
  #filled = 0;
  #upload: R2MultipartUpload | null = null;
  readonly #uploaded: R2UploadedPart[] = [];

  constructor(bucket: R2Bucket, key: string) {
    this.#bucket = bucket;
    this.#key = key;
  }

  async add(chunk: Uint8Array): Promise<void> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#filled === PART_BYTES) await this.#uploadPart();
      const taken = rest.subarray(0, PART_BYTES - this.#filled);
      this.#part.set(taken, this.#filled);
      this.#filled += taken.length;
      rest = rest.subarray(taken.length);
    }
  }

  async finish(): Promise<void> {
    if (this.#upload === null) {
      await this.#bucket.put(this.#key, this.#part.subarray(0, this.#filled));
      return;
    }
    await this.#uploadPart();
    await this.#upload.complete(this.#uploaded);
  }

  /** R2 forgets by itself, a week later, what could not be aborted. */
  async abort(): Promise<void> {
    await this.#upload?.abort().catch(() => undefined);
  }

  async #uploadPart(): Promise<void> {
    this.#upload ??= await this.#bucket.createMultipartUpload(this.#key);
    const number = this.#uploaded.length + 1;
    this.#uploaded.push(await this.#upload.uploadPart(number, this.#part.subarray(0, this.#filled)));
    this.#filled = 0;
  }
}
