import { must } from "../shared/assert.ts";
import type { Brand } from "../shared/brand.ts";
import { fromHex, toHex } from "../shared/bytes.ts";
import type { Clock } from "../shared/clock.ts";
import { badRequest } from "../shared/coded-error.ts";
import type { Random } from "../shared/random.ts";
import { decodeBase32, encodeBase32 } from "./base32.ts";
import { utf8Length } from "./utf8.ts";

/** A document id as developers see it: table number and internal id with a checksum, in base32 (`abi.md` §3.6). */
export type DocumentId = Brand<string, "DocumentId">;

export interface DecodedDocumentId {
  readonly tableNumber: number;
  /** The 16 internal bytes as 32 upper-case hex digits. */
  readonly internalId: string;
}

const INTERNAL_BYTES = 16;
const CHECKSUM_BYTES = 2;
const MAX_TABLE_NUMBER_BYTES = 5;
const MAX_BYTES = MAX_TABLE_NUMBER_BYTES + INTERNAL_BYTES + CHECKSUM_BYTES;
const MIN_TEXT = 31;
const MAX_TEXT = 37;
const MAX_TABLE_NUMBER = 0xffff_ffff;
const MS_PER_DAY = 86_400_000;

/** Room for one id; nothing here awaits between filling and reading it. */
const scratch = new Uint8Array(MAX_BYTES + 1);

/** `internal` is the 16 internal bytes, or their hex digits. */
export function encodeDocumentId(tableNumber: number, internal: Uint8Array | string): DocumentId {
  const bytes = typeof internal === "string" ? fromHex(internal) : internal;
  if (bytes.length !== INTERNAL_BYTES) throw new Error(`Internal id of ${bytes.length} bytes`);
  if (!Number.isInteger(tableNumber) || tableNumber < 1 || tableNumber > MAX_TABLE_NUMBER) {
    throw new Error(`Table number ${tableNumber} out of range`);
  }
  return encode(tableNumber, bytes);
}

/** Throws the decode errors of `abi.md` §3.6.2. */
export function decodeDocumentId(text: string): DecodedDocumentId {
  const decoded = decode(text);
  if (typeof decoded === "string") throw badRequest("InvalidDocumentId", `Unable to decode ID: ${decoded}`);
  return decoded;
}

export function tryDecodeDocumentId(text: string): DecodedDocumentId | null {
  const decoded = decode(text);
  return typeof decoded === "string" ? null : decoded;
}

/** 14 random bytes and the day, big-endian, so that ids of one day share their last bytes. */
export function allocateInternalId(random: Random, clock: Clock): Uint8Array {
  const bytes = new Uint8Array(INTERNAL_BYTES);
  bytes.set(random.bytes(INTERNAL_BYTES - 2));
  const day = Math.floor(clock.now() / MS_PER_DAY);
  bytes[14] = (day >> 8) & 255;
  bytes[15] = day & 255;
  return bytes;
}

function encode(tableNumber: number, internal: Uint8Array): DocumentId {
  let length = 0;
  let rest = tableNumber;
  while (rest >= 0x80) {
    scratch[length++] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  scratch[length++] = rest;
  scratch.set(internal, length);
  length += INTERNAL_BYTES;
  const checksum = fletcher16(scratch, length);
  scratch[length++] = checksum & 255;
  scratch[length++] = checksum >> 8;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- here ids get their brand
  return encodeBase32(scratch, length) as DocumentId;
}

/** The decoded id, or why it is none. */
function decode(text: string): DecodedDocumentId | string {
  if (text.length < MIN_TEXT || text.length > MAX_TEXT) return `Invalid ID length ${utf8Length(text)}`;
  const length = decodeBase32(text, scratch);
  if (length < 0) return "ID wasn't valid base32";

  let position = 0;
  let tableNumber = 0;
  for (let scale = 1; ; scale *= 0x80) {
    if (position === MAX_TABLE_NUMBER_BYTES) return "Invalid table number";
    const byte = must(scratch[position++], "byte of the table number");
    tableNumber += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  if (tableNumber === 0 || tableNumber > MAX_TABLE_NUMBER) return "Invalid table number";

  const start = position;
  position += INTERNAL_BYTES;
  if (position + CHECKSUM_BYTES > length) return `Invalid ID length ${text.length}`;
  const found = (scratch[position] ?? 0) | ((scratch[position + 1] ?? 0) << 8);
  const expected = fletcher16(scratch, position);
  if (found !== expected) return `Invalid ID version ${found} (expected ${expected})`;
  if (position + CHECKSUM_BYTES !== length) return `Invalid ID length ${text.length}`;

  const internal = scratch.slice(start, position);
  // One text per id: refuses overlong table numbers and stray bits behind the last byte.
  if (encode(tableNumber, internal) !== text) return "ID wasn't valid base32";
  return { tableNumber, internalId: toHex(internal) };
}

/** Modulo 256, unlike the textbook's 255. */
function fletcher16(bytes: Uint8Array, length: number): number {
  let low = 0;
  let high = 0;
  for (let i = 0; i < length; i++) {
    low = (low + (bytes[i] ?? 0)) & 255;
    high = (high + low) & 255;
  }
  return (high << 8) | low;
}
