import type { JsonValue } from "../shared/json.ts";

/** A validator ready to check values with (`check-validator.ts`). Immutable, shared between checks. */
export type Validator =
  | { readonly kind: "null" | "float64" | "int64" | "commitTs" | "boolean" | "string" | "bytes" | "any" }
  | { readonly kind: "id"; readonly tableName: string }
  | LiteralValidator
  | { readonly kind: "array"; readonly element: Validator }
  | { readonly kind: "record"; readonly key: Validator; readonly value: Validator }
  | ObjectValidator
  | { readonly kind: "union"; readonly members: readonly Validator[] };

export interface LiteralValidator {
  readonly kind: "literal";
  /** Canonical ConvexJSON of a string, boolean, float64 or int64. */
  readonly value: JsonValue;
}

export interface ObjectValidator {
  readonly kind: "object";
  /** Sorted by name, the order in which fields are checked. */
  readonly fields: readonly ObjectField[];
  readonly names: ReadonlySet<string>;
}

export interface ObjectField {
  readonly name: string;
  readonly optional: boolean;
  readonly validator: Validator;
}

export const ANY: Validator = { kind: "any" };
