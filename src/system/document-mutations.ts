import { v } from "convex/values";
import { SCHEDULED_FUNCTIONS } from "../engine/due-queue.ts";
import { deleteFile } from "../engine/stored-files.ts";
import { fileNotFound } from "../runtime/files/file-not-found.ts";
import { fileOf } from "../runtime/files/storage-id.ts";
import { failureOf } from "../runtime/functions/failure.ts";
import type { SystemMutationContext, SystemMutationFunctions } from "../runtime/functions/system-mutation.ts";
import { cancelFunction } from "../runtime/scheduling/schedule.ts";
import { DOCUMENT_SYSCALLS } from "../runtime/syscalls/db.ts";
import { SyscallArguments } from "../runtime/syscalls/arguments.ts";
import { must } from "../shared/assert.ts";
import { badRequest, CodedError } from "../shared/coded-error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { isSystemTable } from "../engine/tables.ts";
import { adminMutation } from "./system-query.ts";
import { readTablePage } from "./table-page.ts";

const SUCCESS = { success: true };

/** Names under which the dashboard's functions show scheduled functions. */
const SCHEDULED: ReadonlySet<string> = new Set(["_scheduled_jobs", SCHEDULED_FUNCTIONS]);

/** Of one call: clients repeat it while there is more. Removing a document reads it once more. */
const CLEARED_AT_ONCE = { pageSize: 1000, maximumRowsRead: 1000, maximumBytesRead: 4 * 1024 * 1024 };

/** Adds all of them or none. A document that can't be stored is no failure of the call: the answer says why. */
const addDocument = adminMutation(
  { table: v.string(), documents: v.array(v.any()) },
  async (context, { table, documents }) => {
    const attempt = context.transaction.begin();
    try {
      for (const value of documents) await syscall(context, "1.0/insert", { table, value });
    } catch (error) {
      attempt.rollback();
      if (error instanceof CodedError && error.catchable) return { success: false, error: failureOf(error).message };
      throw error;
    }
    attempt.commit();
    return SUCCESS;
  },
);

const patchDocumentsFields = adminMutation(
  { table: v.string(), ids: v.array(v.string()), fields: v.any() },
  async (context, { table, ids, fields: value }) => {
    for (const id of ids) await syscall(context, "1.0/shallowMerge", { table, id, value });
    return SUCCESS;
  },
);

const replaceDocument = adminMutation({ id: v.string(), document: v.any() }, async (context, { id, document }) => {
  await syscall(context, "1.0/replace", { id, value: document });
  return SUCCESS;
});

const deleteDocuments = adminMutation(
  { toDelete: v.array(v.object({ id: v.string(), tableName: v.string() })) },
  async (context, { toDelete }) => {
    for (const { id, tableName } of toDelete) {
      // Of what waits to be run, the rest of the backend hears only when it is canceled.
      if (SCHEDULED.has(tableName)) await cancelFunction(context, new SyscallArguments({ id }, "cancel_job"), null);
      else await syscall(context, "1.0/remove", { table: tableName, id });
    }
    return SUCCESS;
  },
);

/** Empties a table from its oldest document on, a piece at a time. */
const clearTablePage = adminMutation(
  { tableName: v.string(), cursor: v.union(v.string(), v.null()) },
  async (context, { tableName: table, cursor }) => {
    if (isSystemTable(table)) throw badRequest("SystemTableError", "System tables can't be cleared.");
    const { page, isDone, continueCursor } = await readTablePage(context, table, "asc", {
      cursor,
      endCursor: null,
      ...CLEARED_AT_ONCE,
    });
    for (const json of page) await syscall(context, "1.0/remove", { table, id: idOf(JSON.parse(json)) });
    return { continueCursor, deleted: page.length, hasMore: !isDone };
  },
);

const storageId = v.string();

const deleteFiles = adminMutation({ storageIds: v.array(storageId) }, async (context, { storageIds }) => {
  for (const id of storageIds) await removeFile(context, id);
  return null;
});

const deleteOneFile = adminMutation({ storageId }, async (context, { storageId: id }) => {
  await removeFile(context, id);
  return null;
});

const generateUploadUrl = adminMutation({}, ({ addresses, component }) => addresses.uploadUrl(component));

/** With them admins change documents and files of any component, as in the dashboard. */
export const SYSTEM_MUTATIONS: SystemMutationFunctions = new Map([
  ["_system/frontend/addDocument", addDocument],
  ["_system/frontend/patchDocumentsFields", patchDocumentsFields],
  ["_system/frontend/replaceDocument", replaceDocument],
  ["_system/frontend/deleteDocuments", deleteDocuments],
  ["_system/frontend/clearTablePage", clearTablePage],
  ["_system/frontend/fileStorageV2:deleteFile", deleteOneFile],
  ["_system/frontend/fileStorageV2:deleteFiles", deleteFiles],
  ["_system/frontend/fileStorageV2:generateUploadUrl", generateUploadUrl],
]);

/** What the app's own functions would do, with the same checks. */
function syscall({ database }: SystemMutationContext, op: string, args: JsonObject): Promise<string> {
  return must(DOCUMENT_SYSCALLS[op], op)(database, args);
}

async function removeFile({ transaction, component, addresses, deployment }: SystemMutationContext, id: string) {
  const args = new SyscallArguments({ storageId: id }, "storage.delete");
  const ref = await fileOf(args, component, addresses.names(deployment.catalog));
  if (!(await deleteFile(transaction, ref))) throw fileNotFound(args);
}

function idOf(document: JsonValue): string {
  const id = isJsonObject(document) ? document["_id"] : undefined;
  return must(typeof id === "string" ? id : undefined, "id of a document");
}
