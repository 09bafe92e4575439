import { cutUtf8, utf8Length } from "./utf8.ts";

/** The messages of one console line within `maxBytes` of UTF-8, cut over their concatenation at a character boundary. */
export function cutMessages(
  messages: readonly string[],
  maxBytes: number,
): { messages: string[]; isTruncated: boolean } {
  const kept: string[] = [];
  let left = maxBytes;
  for (const message of messages) {
    const bytes = utf8Length(message);
    if (bytes > left) return { messages: [...kept, cutUtf8(message, left)], isTruncated: true };
    kept.push(message);
    left -= bytes;
  }
  return { messages: kept, isTruncated: false };
}
