import { constants, crc32, deflateRawSync } from "node:zlib";
import { z } from "zod";
import { must } from "../shared/assert.ts";

const entry = z.object({
  name: z.string(),
  method: z.union([z.literal(0), z.literal(8)]),
  crc: z.number(),
  compressed: z.number(),
  size: z.number(),
  offset: z.number(),
});

/** All that a writer knows: another one goes on from it. */
export const zipState = z.object({ offset: z.number(), entries: z.array(entry), open: entry.nullable() });

export type ZipState = z.infer<typeof zipState>;
type ZipEntry = z.infer<typeof entry>;

export const EMPTY_ZIP: ZipState = { offset: 0, entries: [], open: null };

const MAX_32 = 0xffffffff;
const VERSION_ZIP64 = 45;
/** Sizes follow the data; names are UTF-8. */
const FLAGS = 0x0808;
/** The end of a deflate stream: a last block with nothing in it. */
const LAST_BLOCK = Uint8Array.of(0x03, 0x00);

/**
 * A ZIP archive of any size (APPNOTE 6.3, with ZIP64), made front to back. It can be interrupted between any two calls:
 * each compressed chunk is a deflate block of its own, flushed to a byte boundary.
 */
export class ZipWriter {
  #state: ZipState;
  readonly #emit: (bytes: Uint8Array) => void;
  /** Of the deployment's clock: the same in every entry. */
  readonly #time: DosTime;

  constructor(state: ZipState, now: Date, emit: (bytes: Uint8Array) => void) {
    this.#state = structuredClone(state);
    this.#emit = emit;
    this.#time = dosTime(now);
  }

  get state(): ZipState {
    return structuredClone(this.#state);
  }

  get isOpen(): boolean {
    return this.#state.open !== null;
  }

  begin(name: string, { compressed }: { readonly compressed: boolean }): void {
    const { offset } = this.#state;
    this.#state.open = { name, method: compressed ? 8 : 0, crc: 0, compressed: 0, size: 0, offset };
    const nameBytes = new TextEncoder().encode(name);
    const header = new Fields(30 + 20);
    header.u32(0x04034b50).u16(VERSION_ZIP64).u16(FLAGS).u16(this.#state.open.method);
    header.u16(this.#time.time).u16(this.#time.date).u32(0).u32(MAX_32).u32(MAX_32).u16(nameBytes.length).u16(20);
    this.#put(header.bytes.subarray(0, 30));
    this.#put(nameBytes);
    // Says that the sizes behind the data have 64 bits.
    header.u16(1).u16(16).u64(0).u64(0);
    this.#put(header.bytes.subarray(30));
  }

  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const open = must(this.#state.open, "open entry");
    open.crc = crc32(bytes, open.crc);
    open.size += bytes.length;
    this.#data(open, open.method === 0 ? bytes : deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }));
  }

  end(): void {
    const open = must(this.#state.open, "open entry");
    if (open.method !== 0) this.#data(open, LAST_BLOCK);
    this.#put(new Fields(24).u32(0x08074b50).u32(open.crc).u64(open.compressed).u64(open.size).bytes);
    this.#state.entries.push(open);
    this.#state.open = null;
  }

  /** Nothing can follow. */
  finish(): void {
    const start = this.#state.offset;
    for (const one of this.#state.entries) this.#central(one);
    const size = this.#state.offset - start;
    const count = this.#state.entries.length;
    const end64 = this.#state.offset;
    const large = count >= 0xffff || size >= MAX_32 || start >= MAX_32;
    if (large) {
      const record = new Fields(56).u32(0x06064b50).u64(44).u16(VERSION_ZIP64).u16(VERSION_ZIP64).u32(0).u32(0);
      this.#put(record.u64(count).u64(count).u64(size).u64(start).bytes);
      this.#put(new Fields(20).u32(0x07064b50).u32(0).u64(end64).u32(1).bytes);
    }
    const end = new Fields(22).u32(0x06054b50).u16(0).u16(0).u16(Math.min(count, 0xffff)).u16(Math.min(count, 0xffff));
    this.#put(end.u32(Math.min(size, MAX_32)).u32(Math.min(start, MAX_32)).u16(0).bytes);
  }

  #central({ name, method, crc, compressed, size, offset }: ZipEntry): void {
    const nameBytes = new TextEncoder().encode(name);
    const wide = [size, compressed, offset].filter((value) => value >= MAX_32);
    const extra = wide.length === 0 ? 0 : 4 + 8 * wide.length;
    const header = new Fields(46).u32(0x02014b50).u16(VERSION_ZIP64).u16(VERSION_ZIP64).u16(FLAGS).u16(method);
    header.u16(this.#time.time).u16(this.#time.date).u32(crc);
    header.u32(Math.min(compressed, MAX_32)).u32(Math.min(size, MAX_32)).u16(nameBytes.length).u16(extra);
    this.#put(header.u16(0).u16(0).u16(0).u32(0).u32(Math.min(offset, MAX_32)).bytes);
    this.#put(nameBytes);
    if (extra === 0) return;
    const fields = new Fields(extra).u16(1).u16(extra - 4);
    for (const value of wide) fields.u64(value);
    this.#put(fields.bytes);
  }

  #data(open: ZipEntry, bytes: Uint8Array): void {
    open.compressed += bytes.length;
    this.#put(bytes);
  }

  #put(bytes: Uint8Array): void {
    this.#state.offset += bytes.length;
    this.#emit(bytes);
  }
}

/** Little-endian fields, one after the other. */
class Fields {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }

  u16(value: number): this {
    this.#view.setUint16(this.#at, value, true);
    this.#at += 2;
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  u64(value: number): this {
    this.#view.setBigUint64(this.#at, BigInt(value), true);
    this.#at += 8;
    return this;
  }
}

interface DosTime {
  readonly time: number;
  readonly date: number;
}

function dosTime(now: Date): DosTime {
  return {
    time: (now.getUTCHours() << 11) | (now.getUTCMinutes() << 5) | (now.getUTCSeconds() >> 1),
    date: ((now.getUTCFullYear() - 1980) << 9) | ((now.getUTCMonth() + 1) << 5) | now.getUTCDate(),
  };
}
