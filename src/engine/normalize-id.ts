import { encodeDocumentId, tryDecodeDocumentId } from "../values/document-id.ts";
import { legacyInternalId } from "../values/legacy-id.ts";
import type { ComponentPath } from "./names.ts";
import { type Tables, VIRTUAL_SYSTEM_TABLES, isSystemTable } from "./tables.ts";

/** The id if it is one of `table`'s, legacy forms re-encoded; else `null`, whatever the text (P-D-4). */
export function normalizeId(tables: Tables, component: ComponentPath, table: string, text: string): string | null {
  if (isSystemTable(table) && !VIRTUAL_SYSTEM_TABLES.has(table)) return null;
  const row = tables.named(component, table);
  if (row === null) return null;
  const decoded = tryDecodeDocumentId(text);
  if (decoded?.tableNumber === row.number) return text;
  const internalId = decoded === null ? legacyInternalId(text) : null;
  return internalId === null ? null : encodeDocumentId(row.number, internalId);
}
