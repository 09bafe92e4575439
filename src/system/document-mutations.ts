import { v } from "convex/values";
import { allDocuments } from "../engine/all-documents.ts";
import { SCHEDULED_FUNCTIONS } from "../engine/due-queue.ts";
import { isSystemTable } from "../engine/tables.ts";
import { failureOf, FunctionError } from "../runtime/functions/failure.ts";
import type { SystemMutationContext } from "../runtime/functions/system-mutation.ts";
import { cancelFunction } from "../runtime/scheduling/schedule.ts";
import { SyscallArguments } from "../runtime/syscalls/arguments.ts";
import { DOCUMENT_SYSCALLS } from "../runtime/syscalls/db.ts";
import { must } from "../shared/assert.ts";
import { badRequest, CodedError } from "../shared/coded-error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { encodeDocumentId } from "../values/document-id.ts";
import { isUnset } from "./document-filters.ts";
import { adminMutation } from "./system-query.ts";
import { readTablePage } from "./table-page.ts";

const SUCCESS = { success: true };

/** Names under which the dashboard's functions show scheduled functions. */
const SCHEDULED: ReadonlySet<string> = new Set(["_scheduled_jobs", SCHEDULED_FUNCTIONS]);

/** Of one call: clients repeat it while there is more. Removing a document reads it once more. */
const CLEARED_AT_ONCE = { pageSize: 1000, maximumRowsRead: 1000, maximumBytesRead: 4 * 1024 * 1024 };

/** Adds all of them or none. A document that can't be stored is no failure of the call: the answer says why. */
export const addDocument = adminMutation(
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

/** The same fields of the documents named, or of every document of the table. */
export const patchDocumentsFields = adminMutation(
  { table: v.string(), fields: v.any(), ids: v.optional(v.array(v.string())) },
  async (context, { table, fields, ids }) => {
    const given: JsonValue = fields;
    if (!isJsonObject(given)) throw badRequest("InvalidFields", "The fields to be changed must be an object.");
    const value = Object.fromEntries(
      Object.entries(given).map(([name, field]) => [name, isUnset(field) ? { $undefined: null } : field]),
    );
    return asConvexError(async () => {
      for (const id of ids ?? (await everyId(context, table))) {
        await syscall(context, "1.0/shallowMerge", { id, value, table });
      }
      return SUCCESS;
    });
  },
);

export const replaceDocument = adminMutation({ id: v.string(), document: v.any() }, async (context, args) => {
  const { id } = args;
  if ((await syscall(context, "1.0/get", { id })) === "null") {
    return { success: false, error: "Document does not exist." };
  }
  const value: JsonValue = args.document;
  return asConvexError(async () => {
    await syscall(context, "1.0/replace", { id, value });
    return SUCCESS;
  });
});

export const deleteDocuments = adminMutation(
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
export const clearTablePage = adminMutation(
  { tableName: v.string(), cursor: v.union(v.string(), v.null()) },
  async (context, { tableName: table, cursor }) => {
    if (isSystemTable(table)) throw badRequest("SystemTableError", "System tables can't be cleared.");
    const source = { ...context, paging: { previous: null, next: null } };
    const { page, isDone, continueCursor } = await readTablePage(source, table, "asc", {
      cursor,
      endCursor: null,
      ...CLEARED_AT_ONCE,
    });
    for (const json of page) await syscall(context, "1.0/remove", { table, id: idOf(json) });
    return { continueCursor, deleted: page.length, hasMore: !isDone };
  },
);

/** A table comes into existence with its first document, which need not stay. */
export const createTable = adminMutation({ table: v.string() }, async (context, { table }) => {
  const id = idOf(await syscall(context, "1.0/insert", { table, value: {} }));
  await syscall(context, "1.0/remove", { table, id });
  return null;
});

/** What the app's own functions would do, with the same checks. */
function syscall({ database }: SystemMutationContext, op: string, args: JsonObject): Promise<string> {
  return must(DOCUMENT_SYSCALLS[op], op)(database, args);
}

async function everyId({ transaction, component }: SystemMutationContext, name: string): Promise<readonly string[]> {
  const table = transaction.tables.named(component, name);
  if (table === null) {
    await transaction.pin();
    return [];
  }
  return (await allDocuments(transaction, table)).map(({ id }) => encodeDocumentId(table.number, id));
}

/** What the database refuses, as a `ConvexError` with its text: the dashboard shows the data of those. */
async function asConvexError<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CodedError) || !error.catchable) throw error;
    const { message } = error;
    throw new FunctionError({ message: `Uncaught ConvexError: ${message}\n`, data: JSON.stringify(message) });
  }
}

function idOf(json: string): string {
  const document: JsonValue = JSON.parse(json);
  const id = isJsonObject(document) ? document["_id"] : undefined;
  return must(typeof id === "string" ? id : undefined, "id of a document");
}
