/** Bytes of UTF-8 that a term keeps. */
const MAX_TERM_BYTES = 32;

const WORD = /[\p{Alphabetic}\p{N}]+/gu;

/** Terms of a text in order: words of letters and digits, in lower case, cut after 32 bytes. */
export function tokenize(text: string): readonly string[] {
  return Array.from(text.toLowerCase().matchAll(WORD), ([word]) => cut(word));
}

function cut(word: string): string {
  // A UTF-16 unit is at most 3 bytes.
  if (word.length * 3 <= MAX_TERM_BYTES) return word;
  let bytes = 0;
  let length = 0;
  for (const character of word) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (bytes > MAX_TERM_BYTES) break;
    length += character.length;
  }
  return word.slice(0, length);
}
