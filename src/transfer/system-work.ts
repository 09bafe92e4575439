import { z } from "zod";
import type { InternalId } from "../engine/names.ts";
import { DELETED_FILES_TABLE, findFile } from "../engine/stored-files.ts";
import type { SystemMutation } from "../runtime/scheduling/job-table.ts";
import { EXPORT_WORK } from "./export-work.ts";
import { IMPORT_WORK } from "./import-work.ts";
import { DELETE_FILES_OP } from "./operations.ts";
import { parsedMutation } from "../runtime/scheduling/parsed-mutation.ts";

const deleteFilesArgs = z.object({
  component: z.string(),
  ids: z.array(z.string().transform((id) => id as InternalId)),
});

/** Files whose documents are gone: their bytes are kept for a while, like those of any deleted file. */
const deleteFiles = parsedMutation(deleteFilesArgs, async ({ transaction }, { component, ids }) => {
  const table = transaction.systemTable(component, DELETED_FILES_TABLE);
  for (const id of ids) {
    const isLive = (await findFile(transaction, { component, id })) !== null;
    if (isLive || (await transaction.system.get(table, id)) !== null) continue;
    transaction.system.insert(table, {}, id);
  }
  return null;
});

/** What the Transactor does for imports and exports. */
export const TRANSFER_WORK: Readonly<Record<string, SystemMutation>> = {
  ...IMPORT_WORK,
  ...EXPORT_WORK,
  [DELETE_FILES_OP]: deleteFiles,
};
