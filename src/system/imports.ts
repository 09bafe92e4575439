import { v } from "convex/values";
import { allDocuments } from "../engine/all-documents.ts";
import type { TableRow } from "../engine/persistence.ts";
import type { JsonObject } from "../shared/json.ts";
import { type ImportDocument, importDocument, IMPORTS_TABLE } from "../transfer/import-document.ts";
import { adminQuery, type SystemContext } from "./system-query.ts";

const LISTED = 20;

/** One import as it is now, for whoever waits for it; `null` if there is no such one. */
export const getImport = adminQuery({ importId: v.string() }, async (context, { importId }) => {
  const found = (await imports(context)).find(({ _id }) => _id === importId);
  return JSON.stringify(found === undefined ? null : shown(found));
});

/** The last ones, newest first. */
export const listImports = adminQuery({}, async (context) => {
  const newest = (await imports(context)).toSorted((a, b) => b._creationTime - a._creationTime);
  return JSON.stringify(newest.slice(0, LISTED).map(shown));
});

async function imports({ transaction }: SystemContext): Promise<readonly ImportDocument[]> {
  const table: TableRow | null = transaction.tables.named("", IMPORTS_TABLE);
  if (table === null) return [];
  return (await allDocuments(transaction, table)).map(({ document }) => importDocument.parse(document));
}

/** Where its bytes are is nobody's business. */
function shown({ _id, _creationTime, state, format, mode, component, table }: ImportDocument): JsonObject {
  return { _id, _creationTime, state, format, mode, componentPath: component, tableName: table };
}
