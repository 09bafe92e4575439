import { z } from "zod";
import { allDocuments } from "../engine/all-documents.ts";
import type { InternalId } from "../engine/names.ts";
import type { SystemMutation } from "../runtime/scheduling/job-table.ts";
import { badRequest } from "../shared/coded-error.ts";
import { tryDecodeDocumentId } from "../values/document-id.ts";
import { EXPORTS_TABLE, exportDocument, exportState, isExportOver } from "./export-document.ts";
import { CHANGE_EXPORT_OP, CREATE_EXPORT_OP } from "./operations.ts";
import { parsedMutation } from "../runtime/scheduling/parsed-mutation.ts";

const createExportArgs = z.object({ includeStorage: z.boolean() });

const changeExportArgs = z.object({ exportId: z.string(), to: exportState.nullable() });

/** The id of the new export. There is one at a time. */
const createExport = parsedMutation(createExportArgs, async ({ transaction }, { includeStorage }) => {
  const table = transaction.systemTable("", EXPORTS_TABLE);
  const earlier = (await allDocuments(transaction, table)).map(({ document }) => exportDocument.parse(document));
  if (earlier.some((document) => !isExportOver(document))) {
    throw badRequest("ExportInProgress", "There is already an export requested or in progress.");
  }
  return transaction.system.insert(table, { includeStorage, state: "requested" });
});

/** `null` forgets it. */
const changeExport = parsedMutation(changeExportArgs, async ({ transaction }, { exportId, to }) => {
  const table = transaction.systemTable("", EXPORTS_TABLE);
  const decoded = tryDecodeDocumentId(exportId);
  if (decoded === null || decoded.tableNumber !== table.number) throw new Error(`${exportId} is not an export`);
  const id = decoded.internalId as InternalId; // Hex of 16 bytes.
  const document = await transaction.system.get(table, id);
  if (document === null) return null;
  const { _id, _creationTime, includeStorage } = exportDocument.parse(document);
  await transaction.system.replace(table, id, to === null ? null : { _id, _creationTime, includeStorage, ...to });
  return null;
});

export const EXPORT_WORK: Readonly<Record<string, SystemMutation>> = {
  [CREATE_EXPORT_OP]: createExport,
  [CHANGE_EXPORT_OP]: changeExport,
};
