import type {
  ByteRange,
  FileBody,
  FileRef,
  FileStore,
  ObjectPage,
  StoredBytes,
} from "../../../src/engine/file-store.ts";

/** The store of `worker.ts`. A source that fails is one that fails over there, after what it gave before. */
export class RemoteFileStore implements FileStore {
  readonly #url: URL;

  constructor(url: URL) {
    this.#url = url;
  }

  async put(file: FileRef, { bytes, size, sha256 }: FileBody): Promise<StoredBytes> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let failure: string | null = null;
    try {
      for await (const chunk of bytes) chunks.push(new Uint8Array(chunk));
    } catch (error) {
      failure = (error as Error).message;
    }
    const response = await this.#ask("put", { file, size, sha256, failure }, new Blob(chunks));
    return (await response.json()) as StoredBytes;
  }

  async get(file: FileRef, range?: ByteRange): Promise<ReadableStream<Uint8Array> | null> {
    return (await this.#ask("get", { file, range })).body;
  }

  async delete(files: readonly FileRef[]): Promise<void> {
    await this.#ask("delete", { files });
  }

  async list(day: number, cursor: string | null): Promise<ObjectPage> {
    return (await (await this.#ask("list", { day, cursor })).json()) as ObjectPage;
  }

  async #ask(operation: string, argument: object, body: Blob | null = null): Promise<Response> {
    const headers = { "x-operation": JSON.stringify([operation, argument]) };
    const response = await fetch(this.#url, { method: "POST", headers, body });
    if (response.status === 500) throw new Error(await response.text());
    if (response.status === 404) return new Response(null);
    return response;
  }
}
