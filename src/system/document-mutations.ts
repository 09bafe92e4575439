import { v } from "convex/values";
import { failureOf } from "../runtime/functions/failure.ts";
import type { SystemMutationContext, SystemMutationFunctions } from "../runtime/functions/system-mutation.ts";
import { DOCUMENT_SYSCALLS } from "../runtime/syscalls/db.ts";
import { must } from "../shared/assert.ts";
import { badRequest, CodedError } from "../shared/coded-error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { isSystemTable } from "../engine/tables.ts";
import { adminMutation } from "./system-query.ts";
import { readTablePage } from "./table-page.ts";

const SUCCESS = { success: true };

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
    for (const { id, tableName } of toDelete) await syscall(context, "1.0/remove", { table: tableName, id });
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

/** With them admins change documents of any component, as in the dashboard's data view. */
export const SYSTEM_MUTATIONS: SystemMutationFunctions = new Map([
  ["_system/frontend/addDocument", addDocument],
  ["_system/frontend/patchDocumentsFields", patchDocumentsFields],
  ["_system/frontend/replaceDocument", replaceDocument],
  ["_system/frontend/deleteDocuments", deleteDocuments],
  ["_system/frontend/clearTablePage", clearTablePage],
]);

/** What the app's own functions would do, with the same checks. */
function syscall({ database }: SystemMutationContext, op: string, args: JsonObject): Promise<string> {
  return must(DOCUMENT_SYSCALLS[op], op)(database, args);
}

function idOf(document: JsonValue): string {
  const id = isJsonObject(document) ? document["_id"] : undefined;
  return must(typeof id === "string" ? id : undefined, "id of a document");
}
