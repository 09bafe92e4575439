import type { IndexSchema } from "./schema-indexes.ts";
import type { Validator } from "./validator.ts";

/** A schema as enforced, parsed from what `schema.export()` wrote (`abi.md` §4.1). */
export interface Schema {
  readonly tables: ReadonlyMap<string, TableSchema>;
  /** False: indexes are built, but any document may be stored. */
  readonly schemaValidation: boolean;
}

export interface TableSchema {
  readonly name: string;
  /** An object, a union of objects or `any`; system fields left out. */
  readonly documentType: Validator;
  /** Every kind, staged ones included, in the order of the definition. */
  readonly indexes: readonly IndexSchema[];
}
