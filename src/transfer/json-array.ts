import { importError } from "./import-error.ts";
import { decodeUtf8 } from "./utf8.ts";

/** Chunks of a JSON array → the texts of its elements, without the whole of it in memory. */
export async function* jsonElements(chunks: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const scanner = new Scanner();
  for await (const text of decodeUtf8(chunks)) yield* scanner.push(text);
  scanner.end();
}

const SPACE = /\s/;

class Scanner {
  /** Before the array, in its first element, in another one, behind the array. */
  #state: "before" | "first" | "element" | "after" = "before";
  #depth = 0;
  #inString = false;
  #escaped = false;
  #text = "";

  *push(text: string): Iterable<string> {
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const char = text[at] ?? "";
      if (this.#state === "element" || this.#state === "first") {
        if (this.#inString) {
          if (this.#escaped) this.#escaped = false;
          else if (char === "\\") this.#escaped = true;
          else if (char === '"') this.#inString = false;
        } else if (char === '"') {
          this.#inString = true;
        } else if (char === "{" || char === "[") {
          this.#depth++;
        } else if (this.#depth > 0) {
          if (char === "}" || char === "]") this.#depth--;
        } else if (char === "," || char === "]") {
          this.#text += text.slice(from, at);
          from = at + 1;
          const element = this.#text.trim();
          this.#text = "";
          const isEmpty = char === "]" && this.#state === "first" && element === "";
          if (!isEmpty) yield element;
          this.#state = char === "]" ? "after" : "element";
          continue;
        }
        continue;
      }
      from = at + 1;
      if (SPACE.test(char)) continue;
      if (this.#state === "after" || char !== "[") throw notAnArray();
      this.#state = "first";
    }
    if (this.#state === "element" || this.#state === "first") this.#text += text.slice(from);
  }

  end(): void {
    if (this.#state !== "after") throw notAnArray();
  }
}

function notAnArray(): Error {
  return importError("The file is not an array of JSON objects. For an object in each line, use `--format jsonLines`.");
}
