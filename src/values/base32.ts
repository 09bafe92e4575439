/** Crockford's alphabet in lower case: no `i l o u`. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** Two characters for each 10-bit group. */
const PAIRS = Array.from({ length: 1024 }, (_, group) => ALPHABET.charAt(group >> 5) + ALPHABET.charAt(group & 31));

const INVALID = 255;
const DIGITS = new Uint8Array(128).fill(INVALID);
for (let digit = 0; digit < 32; digit++) DIGITS[ALPHABET.charCodeAt(digit)] = digit;

/** Most significant bit first, no padding: `ceil(8n / 5)` characters. */
export function encodeBase32(bytes: Uint8Array, length: number = bytes.length): string {
  let text = "";
  let buffer = 0;
  let bits = 0;
  for (let i = 0; i < length; i++) {
    buffer = (buffer << 8) | (bytes[i] ?? 0);
    bits += 8;
    if (bits >= 10) {
      bits -= 10;
      text += PAIRS[(buffer >> bits) & 1023];
      buffer &= (1 << bits) - 1;
    }
  }
  if (bits >= 5) {
    bits -= 5;
    text += ALPHABET.charAt((buffer >> bits) & 31);
  }
  if (bits > 0) text += ALPHABET.charAt((buffer << (5 - bits)) & 31);
  return text;
}

/**
 * Writes `floor(5n / 8)` bytes to `into` and returns their number, or -1 when a character is not of the alphabet.
 * Bits left over at the end are ignored: callers that need one text per byte string encode again and compare.
 */
export function decodeBase32(text: string, into: Uint8Array): number {
  let length = 0;
  let buffer = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = DIGITS[text.charCodeAt(i)] ?? INVALID;
    if (digit === INVALID) return -1;
    buffer = ((buffer << 5) | digit) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      into[length++] = (buffer >> bits) & 255;
    }
  }
  return length;
}
