import { allDocuments } from "../engine/all-documents.ts";
import { type ExportDocument, exportDocument, EXPORTS_TABLE } from "../transfer/export-document.ts";
import { adminQuery } from "./system-query.ts";

/** The last export that was asked for, `null` if none ever was or is kept. */
export const latestExport = adminQuery({}, async ({ transaction }) => {
  const table = transaction.tables.named("", EXPORTS_TABLE);
  if (table === null) return "null";
  let latest: ExportDocument | null = null;
  for (const { document } of await allDocuments(transaction, table)) {
    const one = exportDocument.parse(document);
    if (latest === null || latest._creationTime < one._creationTime) latest = one;
  }
  return JSON.stringify(latest);
});
