import { type CodedError, badRequest } from "../shared/coded-error.ts";
import type { JsonObject } from "../shared/json.ts";
import { type TableNames, checkValue } from "./check-validator.ts";
import type { Schema } from "./schema.ts";
import { withoutSystemFields } from "./stored-document.ts";

/**
 * Why the document may not be in `table`, or `null`: the text of `abi.md` §1.5, to be put into one of the sentences
 * below. Tables that the schema does not know, and schemas that don't validate, allow everything.
 */
export function checkDocument(schema: Schema, table: string, document: JsonObject, tables: TableNames): string | null {
  if (!schema.schemaValidation) return null;
  const documentType = schema.tables.get(table)?.documentType;
  return documentType === undefined ? null : checkValue(documentType, withoutSystemFields(document), tables);
}

/** Throws E-B-16 for a write under the schema in force. */
export function enforceSchema(schema: Schema, table: string, document: JsonObject, tables: TableNames): void {
  const reason = checkDocument(schema, table, document, tables);
  if (reason !== null) throw schemaViolation(table, reason);
}

export function schemaViolation(table: string, reason: string): CodedError {
  return badRequest(
    "SchemaEnforcementError",
    `Failed to insert or update a document in table "${table}" because it does not match the schema: ${reason}`,
  );
}

/** A push found a document that was there before. */
export function existingDocumentMismatch(table: string, id: string, reason: string): string {
  return `Document with ID "${id}" in table "${table}" does not match the schema: ${reason}`;
}

/** A write during a push does not match the schema that is being pushed. */
export function newDocumentMismatch(table: string, reason: string): string {
  return `New document in table "${table}" does not match the schema: ${reason}`;
}
