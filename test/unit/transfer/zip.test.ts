import { zipSync, unzipSync, strFromU8, strToU8 } from "fflate";
import { describe, expect, test } from "vitest";
import { collect } from "../../support/collect.ts";
import type { RandomAccess } from "../../../src/transfer/pieces.ts";
import { ZipReader } from "../../../src/transfer/zip-reader.ts";
import { EMPTY_ZIP, ZipWriter } from "../../../src/transfer/zip-writer.ts";

function memory(bytes: Uint8Array): RandomAccess {
  return {
    size: bytes.length,
    async *read(offset, length = bytes.length - offset) {
      for (let at = offset; at < offset + length; at += 1000) {
        yield bytes.slice(at, Math.min(at + 1000, offset + length));
      }
    },
  };
}

async function text(zip: ZipReader, name: string): Promise<string> {
  const parts = await collect(zip.read(name));
  return Buffer.concat(parts).toString();
}

const LINES = Array.from({ length: 5_000 }, (_, n) => `{"n":${n}}\n`);

/** Every call by another writer, which goes on from the state of the one before. */
function interrupted(): Uint8Array {
  const parts: Uint8Array[] = [];
  let state = EMPTY_ZIP;
  const step = (work: (zip: ZipWriter) => void): void => {
    const zip = new ZipWriter(state, new Date(1_795_169_862_000), (bytes) => parts.push(bytes.slice()));
    work(zip);
    state = JSON.parse(JSON.stringify(zip.state));
  };
  step((zip) => zip.begin("a/ä.jsonl", { compressed: true }));
  for (let at = 0; at < LINES.length; at += 700) {
    step((zip) => zip.write(strToU8(LINES.slice(at, at + 700).join(""))));
  }
  step((zip) => zip.end());
  step((zip) => zip.begin("stored.bin", { compressed: false }));
  step((zip) => zip.write(Uint8Array.of(0, 1, 2)));
  step((zip) => zip.write(Uint8Array.of(253, 254, 255)));
  step((zip) => zip.end());
  step((zip) => zip.begin("empty", { compressed: true }));
  step((zip) => zip.end());
  step((zip) => zip.finish());
  return new Uint8Array(Buffer.concat(parts));
}

describe("ZIP", () => {
  test("XFER10 a file written in many goes, each from the state of the last, is one that others read", () => {
    const entries = unzipSync(interrupted());
    expect(Object.keys(entries)).toEqual(["a/ä.jsonl", "stored.bin", "empty"]);
    expect(strFromU8(entries["a/ä.jsonl"] ?? new Uint8Array())).toBe(LINES.join(""));
    expect([...(entries["stored.bin"] ?? [])]).toEqual([0, 1, 2, 253, 254, 255]);
    expect(entries["empty"]).toHaveLength(0);
  });

  test("XFER11 entries are read from what is written here and by others, compressed or not, with a comment behind", async () => {
    const own = await ZipReader.open(memory(interrupted()));
    expect(own.names).toEqual(["a/ä.jsonl", "stored.bin", "empty"]);
    expect(await text(own, "a/ä.jsonl")).toBe(LINES.join(""));
    expect(await text(own, "empty")).toBe("");
    const foreign = zipSync({ "b/x": strToU8("hello ".repeat(1000)), y: [strToU8("stored"), { level: 0 }] });
    const comment = strToU8("a comment");
    const bytes = new Uint8Array([...foreign, ...comment]);
    new DataView(bytes.buffer).setUint16(foreign.length - 2, comment.length, true);
    const zip = await ZipReader.open(memory(bytes));
    expect([await text(zip, "b/x"), await text(zip, "y")]).toEqual(["hello ".repeat(1000), "stored"]);
  });

  test("XFER11 offsets and sizes beyond 32 bits are written and read", async () => {
    const parts: Uint8Array[] = [];
    const far = 5 * 1024 ** 3;
    const entry = { name: "far", method: 0 as const, crc: 0, compressed: far, size: far, offset: far };
    const zip = new ZipWriter({ offset: 2 * far + 100, entries: [entry], open: null }, new Date(0), (bytes) =>
      parts.push(bytes.slice()),
    );
    zip.finish();
    const directory = new Uint8Array(Buffer.concat(parts));
    const reads: number[] = [];
    const read = await ZipReader.open({
      size: 2 * far + 100 + directory.length,
      async *read(offset, length = 0) {
        reads.push(offset);
        // In front of the directory there is nothing but zeros.
        const at = offset - (2 * far + 100);
        const zeros = Math.min(Math.max(-at, 0), length);
        yield new Uint8Array([...new Uint8Array(zeros), ...directory.slice(at + zeros, at + length)]);
      },
    });
    expect(read.names).toEqual(["far"]);
    await expect(collect(read.read("far"))).rejects.toThrow("damaged");
    expect(reads.at(-1)).toBe(far);
  });

  test("XFER12 what is no ZIP file, cut off, or damaged is refused with a reason", async () => {
    const whole = interrupted();
    await expect(ZipReader.open(memory(strToU8("no zip at all, but long enough to be one")))).rejects.toThrow(
      "The file is not a ZIP file.",
    );
    await expect(ZipReader.open(memory(new Uint8Array()))).rejects.toThrow("The file is not a ZIP file.");
    await expect(ZipReader.open(memory(whole.slice(200)))).rejects.toThrow(/damaged|not a ZIP/);
    const damaged = whole.slice();
    damaged.fill(0xff, 100, 400);
    const zip = await ZipReader.open(memory(damaged));
    await expect(text(zip, "a/ä.jsonl")).rejects.toThrow("damaged");
  });
});
