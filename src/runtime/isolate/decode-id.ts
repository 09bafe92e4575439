const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const VALUES: ReadonlyMap<string, number> = new Map(Array.from(ALPHABET, (digit, value) => [digit, value]));
const INTERNAL_BYTES = 16;
const CHECKSUM_BYTES = 2;
const SHORTEST = 31;
const LONGEST = 37;

/** The table number of a document id, or undefined when the string is not one (`abi.md` §3.6.2). */
export function tableNumberOf(id: string): number | undefined {
  if (id.length < SHORTEST || id.length > LONGEST) return undefined;
  const bytes = fromBase32(id);
  if (bytes === undefined || encode(bytes) !== id) return undefined;
  const table = readTableNumber(bytes);
  if (table === undefined || bytes.length !== table.length + INTERNAL_BYTES + CHECKSUM_BYTES) return undefined;
  const body = bytes.subarray(0, bytes.length - CHECKSUM_BYTES);
  const [low, high] = bytes.subarray(body.length);
  if (low === undefined || high === undefined || ((high << 8) | low) !== fletcher16(body)) return undefined;
  return table.number;
}

/** An id of the oldest format, URL-safe base64 of the 16 internal bytes, as an id of `table` (`abi.md` §3.6.4). */
export function fromLegacyId(id: string, table: number): string | undefined {
  if (!/^[A-Za-z0-9_-]{22}$/.test(id)) return undefined;
  const binary = atob(`${id.replaceAll("-", "+").replaceAll("_", "/")}==`);
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return bytes.length === INTERNAL_BYTES ? encodeId(table, bytes) : undefined;
}

function encodeId(table: number, internal: Uint8Array): string {
  const prefix: number[] = [];
  let rest = table;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) prefix.push((rest & 0x7f) | 0x80);
  prefix.push(rest);
  const body = Uint8Array.from([...prefix, ...internal]);
  const checksum = fletcher16(body);
  return encode(Uint8Array.from([...body, checksum & 0xff, checksum >> 8]));
}

function readTableNumber(bytes: Uint8Array): { number: number; length: number } | undefined {
  let number = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[i];
    if (byte === undefined) return undefined;
    number += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) {
      const canonical = i === 0 || byte !== 0;
      return number >= 1 && number <= 0xffffffff && canonical ? { number, length: i + 1 } : undefined;
    }
  }
  return undefined;
}

function fletcher16(bytes: Uint8Array): number {
  let low = 0;
  let high = 0;
  for (const byte of bytes) {
    low = (low + byte) & 0xff;
    high = (high + low) & 0xff;
  }
  return (high << 8) | low;
}

function fromBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let buffer = 0;
  let bits = 0;
  let at = 0;
  for (const digit of text) {
    const value = VALUES.get(digit);
    if (value === undefined) return undefined;
    buffer = ((buffer << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (buffer >> bits) & 0xff;
    }
  }
  return bytes;
}

function encode(bytes: Uint8Array): string {
  let text = "";
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(buffer >> bits) & 31];
    }
  }
  if (bits > 0) text += ALPHABET[(buffer << (5 - bits)) & 31];
  return text;
}
