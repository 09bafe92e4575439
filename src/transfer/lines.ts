import { decodeUtf8 } from "./utf8.ts";

/** Chunks of bytes → lines, without their ends. UTF-8 is checked. The last line needs no end. */
export async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  let rest = "";
  for await (const text of decodeUtf8(chunks)) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
  if (rest !== "") yield rest;
}
