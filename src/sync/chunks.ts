/** Bytes of UTF-8 in one frame beyond which a Transition is cut, for clients that can put it together again. */
export const CHUNK_BYTES = 5_000_000;

/** The frames that carry a Transition: itself, or `TransitionChunk`s in order (`wire.md` §3.14). */
export function transitionFrames(text: string, chunkBytes = CHUNK_BYTES): readonly string[] {
  const pieces = cutByBytes(text, chunkBytes);
  if (pieces.length === 1) return pieces;
  const transitionId = JSON.stringify(String(text.length));
  return pieces.map(
    (chunk, partNumber) =>
      `{"type":"TransitionChunk","chunk":${JSON.stringify(chunk)},"partNumber":${partNumber},` +
      `"totalParts":${pieces.length},"transitionId":${transitionId}}`,
  );
}

/** Pieces of at most `limit` bytes of UTF-8 each (at least 4), together the text. Never splits a surrogate pair. */
export function cutByBytes(text: string, limit: number): string[] {
  // Three bytes at most for one unit of UTF-16.
  if (text.length * 3 <= limit) return [text];
  const pieces: string[] = [];
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < text.length;) {
    const code = text.codePointAt(i) ?? 0;
    const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
    if (bytes + size > limit) {
      pieces.push(text.slice(start, i));
      start = i;
      bytes = 0;
    }
    bytes += size;
    i += code < 0x1_0000 ? 1 : 2;
  }
  pieces.push(text.slice(start));
  return pieces;
}
