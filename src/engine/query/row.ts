import type { JsonValue } from "../../shared/json.ts";
import type { IndexKey } from "../names.ts";
import type { ScannedRow } from "./scan.ts";

/** A scanned row. It travels as text, and is parsed when an operator looks inside. */
export class Row {
  readonly #document: ScannedRow["document"];
  readonly key: IndexKey;
  #value: JsonValue | undefined;

  constructor({ key, document }: ScannedRow) {
    this.key = key;
    this.#document = document;
    if ("value" in document) this.#value = document.value;
  }

  get json(): string {
    return this.#document.json;
  }

  get size(): number {
    return this.#document.size;
  }

  get value(): JsonValue {
    if (this.#value !== undefined) return this.#value;
    const value: JsonValue = JSON.parse(this.#document.json);
    this.#value = value;
    return value;
  }
}
