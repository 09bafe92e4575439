import { type FieldPath, indexKey, parsePath } from "./index-key.ts";
import type { IndexKey, InternalId } from "./names.ts";
import type { IndexDefinition } from "./persistence.ts";
import type { JsonValue } from "../shared/json.ts";

export const BY_ID = "by_id";
export const BY_CREATION_TIME = "by_creation_time";

const CREATION_TIME = "_creationTime";

type DatabaseIndex = Extract<IndexDefinition, { type: "database" }>;

/** What `by_creation_time` is stored as. */
export const CREATION_TIME_DEFINITION: DatabaseIndex = { type: "database", fields: [CREATION_TIME] };

const paths = new WeakMap<DatabaseIndex, readonly FieldPath[]>();

/** Fields a database index is ordered by: the declared ones, then `_creationTime`, which may be left implicit. */
export function orderedFields(definition: DatabaseIndex): readonly string[] {
  const { fields } = definition;
  return fields.at(-1) === CREATION_TIME ? fields : [...fields, CREATION_TIME];
}

/** Key of a document in a database index. `null`: the index is of another type and has no keys. */
export function keyIn(definition: IndexDefinition, document: JsonValue, id: InternalId): IndexKey | null {
  if (definition.type !== "database") return null;
  let parsed = paths.get(definition);
  if (parsed === undefined) {
    parsed = orderedFields(definition).map(parsePath);
    paths.set(definition, parsed);
  }
  return indexKey(parsed, document, id);
}
