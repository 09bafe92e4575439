import type { LogLevel, LogLine } from "../../protocol/invocation.ts";
import { cutMessages } from "../../values/cut-messages.ts";
import { wallClock } from "./originals.ts";

export function logLine(level: LogLevel, messages: readonly string[], maxBytes: number): LogLine {
  return { level, ...cutMessages(messages, maxBytes), timestamp: wallClock() };
}
