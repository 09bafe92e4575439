import type { JsonValue } from "../../shared/json.ts";
import type { SearchDefinition } from "../derived-index.ts";
import { fieldAt, type FieldPath, parsePath } from "../index-key.ts";
import { encodeValue } from "../value-key.ts";
import { tokenize } from "./tokenize.ts";

/** What a text index knows of a document. */
export interface IndexedText {
  /** In order, repeated ones too. At least one. */
  readonly terms: readonly string[];
  /** Keys (`encodeValue`) of the values of the filter fields, in the order of the definition. */
  readonly filters: readonly string[];
}

interface Paths {
  readonly text: FieldPath;
  readonly filters: readonly FieldPath[];
}

const known = new WeakMap<SearchDefinition, Paths>();

/** `null`: the document is not in the index. */
export function indexedText(definition: SearchDefinition, document: JsonValue): IndexedText | null {
  const paths = pathsOf(definition);
  const text = fieldAt(document, paths.text);
  const terms = typeof text === "string" ? tokenize(text) : [];
  if (terms.length === 0) return null;
  return { terms, filters: paths.filters.map((path) => encodeValue(fieldAt(document, path))) };
}

function pathsOf(definition: SearchDefinition): Paths {
  let paths = known.get(definition);
  if (paths === undefined) {
    paths = { text: parsePath(definition.searchField), filters: definition.filterFields.map(parsePath) };
    known.set(definition, paths);
  }
  return paths;
}

export function sameIndexedText(a: IndexedText | null, b: IndexedText | null): boolean {
  if (a === null || b === null) return a === b;
  return sameList(a.terms, b.terms) && sameList(a.filters, b.filters);
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
