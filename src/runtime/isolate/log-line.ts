import type { LogLevel, LogLine } from "../../protocol/invocation.ts";
import { cutUtf8, utf8Length } from "../../values/utf8.ts";
import { wallClock } from "./originals.ts";

/** Cuts over the concatenation of the messages, at a character boundary. */
export function logLine(level: LogLevel, messages: readonly string[], maxBytes: number): LogLine {
  const kept: string[] = [];
  let left = maxBytes;
  let isTruncated = false;
  for (const message of messages) {
    const bytes = utf8Length(message);
    if (bytes <= left) {
      kept.push(message);
      left -= bytes;
      continue;
    }
    kept.push(cutUtf8(message, left));
    isTruncated = true;
    break;
  }
  return { level, messages: kept, isTruncated, timestamp: wallClock() };
}
