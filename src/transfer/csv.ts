import { importError } from "./import-error.ts";
import { decodeUtf8 } from "./utf8.ts";

export interface CsvRecord {
  readonly fields: readonly string[];
  /** Where it begins, from 1. */
  readonly line: number;
}

/** Records of RFC 4180, with LF or CRLF. Empty lines are none. */
export async function* csvRecords(chunks: AsyncIterable<Uint8Array>): AsyncIterable<CsvRecord> {
  const parser = new CsvParser();
  for await (const text of decodeUtf8(chunks)) yield* parser.push(text);
  yield* parser.end();
}

class CsvParser {
  #fields: string[] = [];
  #field = "";
  /** `quote`: behind a quote inside of a quoted field, which is its end or one of two. */
  #state: "start" | "plain" | "quoted" | "quote" = "start";
  #line = 1;
  #begun = 1;

  *push(text: string): Iterable<CsvRecord> {
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const char = text[at];
      if (char === "\n") this.#line++;
      if (this.#state === "quoted") {
        if (char !== '"') continue;
        this.#field += text.slice(from, at);
        this.#state = "quote";
        from = at + 1;
      } else if (char === '"') {
        if (this.#state === "plain") throw importError(`line ${this.#line} has a quote inside of a field.`);
        // The second of two stands for one, so it stays in the text.
        from = this.#state === "quote" ? at : at + 1;
        this.#state = "quoted";
      } else if (char === "," || char === "\n") {
        this.#field += text.slice(from, at);
        from = at + 1;
        this.#endField(char === "\n");
        if (char === "\n") yield* this.#endRecord();
      } else if (this.#state === "quote") {
        if (char !== "\r") throw importError(`line ${this.#line} has text behind the end of a quoted field.`);
      } else {
        this.#state = "plain";
      }
    }
    this.#field += text.slice(from);
  }

  *end(): Iterable<CsvRecord> {
    if (this.#state === "quoted")
      throw importError(`The quoted field that begins before line ${this.#line} never ends.`);
    this.#endField(true);
    yield* this.#endRecord();
  }

  #endField(last: boolean): void {
    this.#fields.push(last && this.#field.endsWith("\r") ? this.#field.slice(0, -1) : this.#field);
    this.#field = "";
    this.#state = "start";
  }

  *#endRecord(): Iterable<CsvRecord> {
    const [fields, line] = [this.#fields, this.#begun];
    this.#fields = [];
    this.#begun = this.#line;
    if (fields.length > 1 || fields[0] !== "") yield { fields, line };
  }
}
