/**
 * Timestamps on the wire: base64 of eight bytes, little-endian, nanoseconds (`wire.md` §1.2). Inside they are
 * microseconds, so the last three digits of what we send are always zero.
 */

const NANOSECONDS_PER_MICROSECOND = 1000n;
const BASE64_OF_EIGHT_BYTES = /^[A-Za-z0-9+/]{10}[AEIMQUYcgkosw048]=$/;

export function encodeWireTimestamp(microseconds: number): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(microseconds) * NANOSECONDS_PER_MICROSECOND, true);
  return btoa(String.fromCharCode(...bytes));
}

/** Null when the text is not eight bytes of base64, or is later than any timestamp we could have given out. */
export function decodeWireTimestamp(text: string): number | null {
  if (!BASE64_OF_EIGHT_BYTES.test(text)) return null;
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const microseconds = Number(new DataView(bytes.buffer).getBigUint64(0, true) / NANOSECONDS_PER_MICROSECOND);
  return Number.isSafeInteger(microseconds) ? microseconds : null;
}
