import type { VectorDefinition } from "../../engine/derived-index.ts";
import { fieldAt, type FieldPath, parsePath } from "../../engine/index-key.ts";
import { encodeValue } from "../../engine/value-key.ts";
import type { JsonValue } from "../../shared/json.ts";
import { finiteVector } from "./finite-vector.ts";
import { unitVector } from "./unit-vector.ts";

/** What a vector index knows of a document. */
export interface VectorFields {
  readonly unit: Float32Array;
  /** Keys (`encodeValue`) of the values of the filter fields, in the order of the definition. */
  readonly filters: readonly string[];
}

interface Paths {
  readonly vector: FieldPath;
  readonly filters: readonly FieldPath[];
}

const known = new WeakMap<VectorDefinition, Paths>();

/** `null`: the document is not in the index. */
export function vectorFields(definition: VectorDefinition, document: JsonValue): VectorFields | null {
  let paths = known.get(definition);
  if (paths === undefined) {
    paths = { vector: parsePath(definition.vectorField), filters: definition.filterFields.map(parsePath) };
    known.set(definition, paths);
  }
  const vector = finiteVector(fieldAt(document, paths.vector), definition.dimensions);
  if (vector === null) return null;
  return { unit: unitVector(vector), filters: paths.filters.map((path) => encodeValue(fieldAt(document, path))) };
}
