import { importError } from "./import-error.ts";
import { gather, type RandomAccess, streamOf } from "./pieces.ts";

interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly compressed: number;
  /** Of the local header, whose length is known only there. */
  readonly offset: number;
}

const END_SIGNATURE = 0x06054b50;
const END64_LOCATOR_SIGNATURE = 0x07064b50;
const END64_SIGNATURE = 0x06064b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const END64_BYTES = 56;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const MAX_COMMENT = 0xffff;
const IN_ZIP64 = 0xffffffff;
const STORED = 0;
const DEFLATED = 8;
/** The directory is held in memory. */
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;

/** Entries of a ZIP archive (APPNOTE 6.3), of any size, read one at a time without holding any. */
export class ZipReader {
  readonly #bytes: RandomAccess;
  readonly #entries: ReadonlyMap<string, ZipEntry>;

  private constructor(bytes: RandomAccess, entries: ReadonlyMap<string, ZipEntry>) {
    this.#bytes = bytes;
    this.#entries = entries;
  }

  static async open(bytes: RandomAccess): Promise<ZipReader> {
    const { offset, size } = await directory(bytes);
    if (size > MAX_DIRECTORY_BYTES) throw importError("The ZIP file has too many entries.");
    const entries = parseDirectory(await viewOf(bytes, offset, size));
    return new ZipReader(bytes, new Map(entries.map((entry) => [entry.name, entry])));
  }

  get names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** The bytes of an entry, uncompressed. */
  async *read(name: string): AsyncIterable<Uint8Array> {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw importError(`The ZIP file has no entry ${name}.`);
    const header = await viewOf(this.#bytes, entry.offset, LOCAL_BYTES);
    if (header.getUint32(0, true) !== LOCAL_SIGNATURE) throw damaged();
    const start = entry.offset + LOCAL_BYTES + header.getUint16(26, true) + header.getUint16(28, true);
    const data = this.#bytes.read(start, entry.compressed);
    if (entry.method === STORED) yield* data;
    else if (entry.method === DEFLATED) yield* inflate(data, name);
    else throw importError(`${name} in the ZIP file is compressed by method ${entry.method}; only deflate is known.`);
  }
}

async function* inflate(data: AsyncIterable<Uint8Array>, name: string): AsyncIterable<Uint8Array> {
  const stream = streamOf(data).pipeThrough(
    new DecompressionStream("deflate-raw") as ReadableWritablePair<Uint8Array, Uint8Array>,
  );
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw importError(`${name} in the ZIP file is damaged: ${cause instanceof Error ? cause.message : "invalid"}`);
      });
      if (done) return;
      yield value;
    }
  } finally {
    // A reader that stops early is done with it.
    await reader.cancel().catch(() => undefined);
  }
}

async function directory(bytes: RandomAccess): Promise<{ readonly offset: number; readonly size: number }> {
  const length = Math.min(bytes.size, END_BYTES + MAX_COMMENT);
  const tailStart = bytes.size - length;
  const tail = await viewOf(bytes, tailStart, length);
  for (let at = length - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END_SIGNATURE) continue;
    const [size, offset] = [tail.getUint32(at + 12, true), tail.getUint32(at + 16, true)];
    if (offset !== IN_ZIP64 && size !== IN_ZIP64 && tail.getUint16(at + 10, true) !== 0xffff) return { offset, size };
    return await directory64(bytes, tailStart + at - LOCATOR_BYTES);
  }
  throw importError("The file is not a ZIP file.");
}

async function directory64(
  bytes: RandomAccess,
  locatorOffset: number,
): Promise<{ readonly offset: number; readonly size: number }> {
  if (locatorOffset < 0) throw damaged();
  const locator = await viewOf(bytes, locatorOffset, LOCATOR_BYTES);
  if (locator.getUint32(0, true) !== END64_LOCATOR_SIGNATURE) throw damaged();
  const end = await viewOf(bytes, uint64(locator, 8), END64_BYTES);
  if (end.getUint32(0, true) !== END64_SIGNATURE) throw damaged();
  return { size: uint64(end, 40), offset: uint64(end, 48) };
}

function parseDirectory(view: DataView): ZipEntry[] {
  const entries: ZipEntry[] = [];
  for (let at = 0; at + CENTRAL_BYTES <= view.byteLength;) {
    if (view.getUint32(at, true) !== CENTRAL_SIGNATURE) break;
    const nameLength = view.getUint16(at + 28, true);
    const extraLength = view.getUint16(at + 30, true);
    const next = at + CENTRAL_BYTES + nameLength + extraLength + view.getUint16(at + 32, true);
    if (next > view.byteLength) throw damaged();
    const nameBytes = new Uint8Array(view.buffer, view.byteOffset + at + CENTRAL_BYTES, nameLength);
    const name = new TextDecoder().decode(nameBytes);
    const sizes = wideFields(view, at, at + CENTRAL_BYTES + nameLength, extraLength);
    if ((view.getUint16(at + 8, true) & 1) !== 0) throw importError(`${name} in the ZIP file is encrypted.`);
    if (!name.endsWith("/")) entries.push({ name, method: view.getUint16(at + 10, true), ...sizes });
    at = next;
  }
  return entries;
}

/** Sizes and offset are in the extra field of ZIP64, in order, as far as they do not fit. */
function wideFields(
  view: DataView,
  header: number,
  extra: number,
  extraLength: number,
): { readonly compressed: number; readonly offset: number } {
  const narrow = [20, 24, 42].map((field) => view.getUint32(header + field, true));
  let [compressed = 0, , offset = 0] = narrow;
  const uncompressed = narrow[1];
  for (let at = extra; at + 4 <= extra + extraLength;) {
    const size = view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === 1) {
      let field = at + 4;
      if (uncompressed === IN_ZIP64) field += 8;
      if (compressed === IN_ZIP64) {
        compressed = uint64(view, field);
        field += 8;
      }
      if (offset === IN_ZIP64) offset = uint64(view, field);
      break;
    }
    at += 4 + size;
  }
  return { compressed, offset };
}

function uint64(view: DataView, at: number): number {
  if (at + 8 > view.byteLength) throw damaged();
  const value = Number(view.getBigUint64(at, true));
  if (!Number.isSafeInteger(value)) throw damaged();
  return value;
}

async function viewOf(bytes: RandomAccess, offset: number, length: number): Promise<DataView> {
  if (offset + length > bytes.size) throw damaged();
  const read = await gather(bytes.read(offset, length));
  return new DataView(read.buffer, read.byteOffset, read.byteLength);
}

function damaged(): Error {
  return importError("The ZIP file is damaged.");
}
