import { byteToHex } from "../../shared/bytes.ts";

/** No letter, so that it is in no term; no ASCII, so that it does not end one. */
const MARK = "¤";

/** Value of a filter field as a term: its position and a hash of 64 bits. */
export function filterToken(field: number, key: string): string {
  return `${MARK}${field}x${hash(key, 0x811c9dc5)}${hash(key, 0x9747b28c)}`;
}

/** 32-bit FNV-1a from a basis. */
function hash(text: string, basis: number): string {
  let value = basis;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return byteToHex(value >>> 24) + byteToHex(value >>> 16) + byteToHex(value >>> 8) + byteToHex(value);
}
