import { v } from "convex/values";
import { parseQuery } from "../engine/query/definition.ts";
import { badRequest } from "../shared/coded-error.ts";
import type { FunctionScope } from "../engine/function-scope.ts";
import { must } from "../shared/assert.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { DOCUMENT_SYSCALLS } from "../runtime/syscalls/db.ts";
import { isUnset } from "./document-filters.ts";
import { adminMutation, asConvexError, type MutationContext } from "./system-mutation.ts";
import { readTablePage } from "./table-page.ts";

/** In one transaction; half of what a transaction may write. */
const MAX_DOCUMENTS = 4096;
/** Of one page of a table that is cleared. */
const CLEARED = { rows: 4000, bytes: 4_000_000 };

const SUCCESS = { success: true };

type Syscall = keyof typeof DOCUMENT_SYSCALLS;

/** As the app's own functions write: under its schema, within the limits of a transaction. */
async function perform(scope: FunctionScope, op: Syscall, args: JsonObject): Promise<JsonValue> {
  const handler = must(DOCUMENT_SYSCALLS[op], op);
  return JSON.parse(await handler(scope, args));
}

/** All of the documents or none. */
export const addDocument = adminMutation(
  { table: v.string(), documents: v.array(v.any()) },
  async ({ database }, { table, documents }) => {
    if (documents.length > MAX_DOCUMENTS) {
      return { success: false, error: `Can't add more than ${MAX_DOCUMENTS} documents at once.` };
    }
    return asConvexError(async () => {
      for (const value of documents as readonly JsonValue[]) await perform(database, "1.0/insert", { table, value });
      return SUCCESS;
    });
  },
);

/** The same fields of the documents named, or of every document of the table. */
export const patchDocumentsFields = adminMutation(
  { table: v.string(), fields: v.any(), ids: v.optional(v.array(v.string())) },
  async (context, { table, fields, ids }) => {
    const { database } = context;
    const given: JsonValue = fields;
    if (!isJsonObject(given)) throw badRequest("InvalidFields", "The fields to be changed must be an object.");
    const value = Object.fromEntries(
      Object.entries(given).map(([name, field]) => [name, isUnset(field) ? { $undefined: null } : field]),
    );
    return asConvexError(async () => {
      for (const id of ids ?? (await everyId(context, table))) {
        await perform(database, "1.0/shallowMerge", { id, value, table });
      }
      return SUCCESS;
    });
  },
);

async function everyId(context: MutationContext, table: string): Promise<readonly string[]> {
  const { transaction, database } = context;
  const query = parseQuery({ source: { type: "FullTableScan", tableName: table, order: "asc" }, operators: [] });
  const { scan } = await transaction.resolve(database.component, query.source);
  if (scan === null) return [];
  const run = transaction.start(scan, []);
  const ids: string[] = [];
  try {
    for (;;) {
      const step = run.step(true);
      if (step.kind === "end") return ids;
      if (step.kind === "row") ids.push(idOf(step.row.json));
      else await run.fetch(Number.POSITIVE_INFINITY);
    }
  } finally {
    transaction.finish(run);
  }
}

export const replaceDocument = adminMutation({ id: v.string(), document: v.any() }, async ({ database }, args) => {
  const { id } = args;
  if ((await perform(database, "1.0/get", { id })) === null) {
    return { success: false, error: "Document does not exist." };
  }
  const value: JsonValue = args.document;
  return asConvexError(async () => {
    await perform(database, "1.0/replace", { id, value });
    return SUCCESS;
  });
});

export const deleteDocuments = adminMutation(
  { toDelete: v.array(v.object({ id: v.string(), tableName: v.string() })) },
  async ({ database }, { toDelete }) => {
    if (toDelete.length > MAX_DOCUMENTS) {
      return { success: false, error: `Can't delete more than ${MAX_DOCUMENTS} documents at once.` };
    }
    for (const { id, tableName } of toDelete) await perform(database, "1.0/remove", { id, table: tableName });
    return SUCCESS;
  },
);

/** Deletes the oldest documents, as many as fit into a transaction. The caller goes on until there are no more. */
export const clearTablePage = adminMutation(
  { tableName: v.string(), cursor: v.union(v.string(), v.null()) },
  async ({ database, transaction }, { tableName, cursor }) => {
    const source = { transaction, component: database.component, paging: { previous: null, next: null } };
    const { page, isDone, continueCursor } = await readTablePage(source, tableName, "asc", {
      cursor,
      endCursor: null,
      pageSize: CLEARED.rows,
      maximumRowsRead: CLEARED.rows,
      maximumBytesRead: CLEARED.bytes,
    });
    for (const json of page) await perform(database, "1.0/remove", { id: idOf(json), table: tableName });
    return { deleted: page.length, continueCursor, hasMore: !isDone };
  },
);

/** A table comes into existence with its first document, which need not stay. */
export const createTable = adminMutation({ table: v.string() }, async ({ database }, { table }) => {
  const inserted = await perform(database, "1.0/insert", { table, value: {} });
  const id = must(isJsonObject(inserted) ? inserted["_id"] : undefined, "id of a document");
  await perform(database, "1.0/remove", { id });
  return null;
});

function idOf(json: string): string {
  const document: JsonValue = JSON.parse(json);
  const id = isJsonObject(document) ? document["_id"] : undefined;
  if (typeof id !== "string") throw new Error("a stored document has an id");
  return id;
}
