import { badRequest } from "../shared/coded-error.ts";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import { type CheckedValue, checkConvexJson, checkFieldName, tooLarge } from "./convex-json.ts";
import { displayValue } from "./display-value.ts";
import { DOCUMENT_LIMITS, type DocumentLimits, VALUE_LIMITS } from "./limits.ts";

const SYSTEM_FIELDS: ReadonlySet<string> = new Set(["_id", "_creationTime"]);

/**
 * Checks a whole document as it will be stored, `_id` and `_creationTime` included, and measures it. What the
 * developer wrote has passed `checkConvexJson` or `checkPatch` before; here come the rules of documents.
 */
export function checkStoredDocument(document: JsonObject, limits: DocumentLimits = DOCUMENT_LIMITS): CheckedValue {
  // A patched field may by itself have all the levels of a value in flight: the document's own text reports it.
  const checked = checkConvexJson(document, { ...VALUE_LIMITS, nesting: VALUE_LIMITS.nesting + 1 });
  const violations: string[] = [];
  if (checked.nesting > limits.nesting) {
    violations.push(
      `Document is too nested (nested ${checked.nesting} levels deep > maximum nesting ${limits.nesting})`,
    );
  }
  for (const name of Object.keys(document).toSorted()) {
    if (name.startsWith("_") && !SYSTEM_FIELDS.has(name)) {
      violations.push(`Field '${name}' starts with an underscore, which is only allowed for system fields like '_id'`);
    }
  }
  if (violations.length > 0) throw badRequest("InvalidDocumentError", invalidDocumentText(document, violations));
  for (const name of Object.keys(document)) checkFieldName(name, limits.topLevelFieldNameLength);
  if (checked.size > limits.size) throw tooLarge(checked.size, limits.size);
  return checked;
}

/** The document without `_id` and `_creationTime`, which no schema declares. */
export function withoutSystemFields(document: JsonObject): JsonObject {
  if (!Object.hasOwn(document, "_id") && !Object.hasOwn(document, "_creationTime")) return document;
  return Object.fromEntries(Object.entries(document).filter(([name]) => !SYSTEM_FIELDS.has(name)));
}

export function isSystemField(name: string): boolean {
  return SYSTEM_FIELDS.has(name);
}

function invalidDocumentText(document: JsonValue, violations: readonly string[]): string {
  return `Document(value: ${displayValue(document)}) isn't a valid document: ${violations.join("\n ")}`;
}
