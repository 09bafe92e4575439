import { Base64 } from "convex/values";
import { assert, unreachable } from "../shared/assert.ts";
import { byteToHex } from "../shared/bytes.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";

const TERMINATOR = "00";
const ESCAPED_ZERO = "00FF";
const INT64_MAX = "0C7FFFFFFFFFFFFFFF";

/**
 * Order-preserving encoding of one ConvexJSON value as upper-case hex (`abi.md` §3.5): string order equals value
 * order across and within types. An encoding followed by anything but `FF` is no prefix of another, and every
 * encoding begins below `FF`, so encodings can be concatenated.
 * `undefined` is a missing field. An unresolved commit timestamp counts as the largest int64.
 */
export function encodeValue(value: JsonValue | undefined): string {
  if (value === undefined) return "01";
  if (value === null) return "03";
  switch (typeof value) {
    case "number":
      return encodeFloat(value);
    case "boolean":
      return value ? "0F" : "0E";
    case "string":
      return `10${escapeString(value)}`;
    case "object":
      return isJsonObject(value) ? encodeObject(value) : encodeArray(value);
    default:
      return unreachable(value);
  }
}

function encodeArray(values: readonly JsonValue[]): string {
  let key = "12";
  for (const value of values) key += encodeValue(value);
  return key + TERMINATOR;
}

function encodeObject(object: JsonObject): string {
  const names = Object.keys(object);
  const name = names[0];
  if (names.length === 1 && name?.startsWith("$")) return encodeSpecial(name, object[name]);
  let key = "15";
  // An empty name has no terminator of its own, which would read as the end of the object.
  for (const field of names.toSorted()) {
    key += (field === "" ? ESCAPED_ZERO : escapeString(field)) + encodeValue(object[field]);
  }
  return key + TERMINATOR;
}

function encodeSpecial(name: string, content: JsonValue | undefined): string {
  if (name === "$commitTs") return INT64_MAX;
  assert(typeof content === "string", () => `${name} holds no text`);
  const bytes = Base64.toByteArray(content);
  switch (name) {
    case "$integer":
      return encodeInt64(bytes);
    case "$float":
      return encodeFloatBytes(bytes.toReversed());
    case "$bytes":
      return `11${escapeBytes(bytes)}`;
    default:
      throw new Error(`Unknown special value ${name}`);
  }
}

/** `littleEndian`: the 8 bytes of `$integer`. Uses the fewest of 1, 2, 4 or 8 bytes that hold the number. */
function encodeInt64(littleEndian: Uint8Array): string {
  assert(littleEndian.length === 8, "an int64 has 8 bytes");
  const bytes = littleEndian.toReversed();
  if (bytes.every((byte) => byte === 0)) return "08";
  const negative = signBit(bytes, 0) === 1;
  const padding = negative ? 0xff : 0x00;
  let step = 1;
  for (const width of [1, 2, 4, 8]) {
    const start = 8 - width;
    const fits = bytes.subarray(0, start).every((byte) => byte === padding);
    if (fits && (signBit(bytes, start) === 1) === negative) {
      let key = byteToHex(0x08 + (negative ? -step : step));
      for (const byte of bytes.subarray(start)) key += byteToHex(byte);
      return key;
    }
    step++;
  }
  throw new Error("Every int64 fits into 8 bytes");
}

function signBit(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) >> 7;
}

const scratch = new DataView(new ArrayBuffer(8));

function encodeFloat(value: number): string {
  scratch.setFloat64(0, value);
  return encodeFloatBytes(new Uint8Array(scratch.buffer));
}

function encodeFloatBytes(bigEndian: Uint8Array): string {
  const negative = signBit(bigEndian, 0) === 1;
  let key = "0D";
  for (let i = 0; i < 8; i++) {
    const byte = bigEndian[i] ?? 0;
    key += byteToHex(negative ? byte ^ 0xff : i === 0 ? byte | 0x80 : byte);
  }
  return key;
}

function escapeBytes(bytes: Uint8Array): string {
  let key = "";
  for (const byte of bytes) key += byte === 0 ? ESCAPED_ZERO : byteToHex(byte);
  return key + TERMINATOR;
}

/** UTF-8 bytes of the text, escaped. Written by hand: no text encoder, no copy. */
function escapeString(text: string): string {
  let key = "";
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0) {
      key += ESCAPED_ZERO;
    } else if (unit < 0x80) {
      key += byteToHex(unit);
    } else if (unit < 0x800) {
      key += byteToHex(0xc0 | (unit >> 6)) + continuation(unit);
    } else {
      const point = text.codePointAt(i) ?? unit;
      if (point > 0xffff) {
        i++;
        key += byteToHex(0xf0 | (point >> 18)) + continuation(point >> 12);
      } else {
        key += byteToHex(0xe0 | (point >> 12));
      }
      key += continuation(point >> 6) + continuation(point);
    }
  }
  return key + TERMINATOR;
}

function continuation(bits: number): string {
  return byteToHex(0x80 | (bits & 0x3f));
}
