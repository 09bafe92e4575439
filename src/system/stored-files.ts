import { v } from "convex/values";
import { parseQuery } from "../engine/query/definition.ts";
import { deleteFile as remove } from "../engine/stored-files.ts";
import { STORAGE_TABLE } from "../engine/tables.ts";
import type { InternalId, TableNumber } from "../engine/names.ts";
import type { SystemMutationContext } from "../runtime/functions/system-mutation.ts";
import { fileNotFound } from "../runtime/files/file-not-found.ts";
import { fileOf } from "../runtime/files/storage-id.ts";
import { SyscallArguments } from "../runtime/syscalls/arguments.ts";
import type { JsonObject, JsonValue } from "../shared/json.ts";
import { isJsonObject } from "../shared/json.ts";
import { tryDecodeDocumentId } from "../values/document-id.ts";
import { pageOptions, paginationOpts } from "./pagination-options.ts";
import { adminMutation, adminQuery, type SystemContext } from "./system-query.ts";
import { dependOnTables } from "./dependencies.ts";
import { readQueryPage } from "./table-page.ts";

/** Counts documents: nothing counts them as they are written. */
export const numFiles = adminQuery(
  {},
  async (context) => {
    dependOnTables(context);
    return JSON.stringify(await context.database.count(STORAGE_TABLE));
  },
  { unbounded: true },
);

/** Files by creation time, each with the address of its bytes. */
export const fileMetadata = adminQuery(
  {
    paginationOpts,
    filters: v.optional(
      v.object({
        minCreationTime: v.optional(v.number()),
        maxCreationTime: v.optional(v.number()),
        order: v.optional(v.union(v.literal("asc"), v.literal("desc"))),
      }),
    ),
  },
  async (context, { paginationOpts: options, filters }) => {
    dependOnTables(context);
    const { minCreationTime: min, maxCreationTime: max, order = "desc" } = filters ?? {};
    const bounds: readonly (readonly [string, number | undefined])[] = [
      ["Gte", min],
      ["Lte", max],
    ];
    const range = bounds.flatMap(([type, value]) =>
      value === undefined ? [] : [{ type, fieldPath: "_creationTime", value }],
    );
    const source = { type: "IndexRange", indexName: `${STORAGE_TABLE}.by_creation_time`, range, order };
    const query = parseQuery({ source, operators: [] });
    const { page, ...rest } = await readQueryPage(context, query, pageOptions(options));
    const files = await Promise.all(page.map((json) => withUrl(context, JSON.parse(json) as JsonValue)));
    return JSON.stringify({ page: files, ...rest });
  },
);

/** One file by the id of its document; `null` if there is none. */
export const getFile = adminQuery({ storageId: v.string() }, async (context, { storageId }) => {
  dependOnTables(context);
  const { transaction, component } = context;
  const decoded = tryDecodeDocumentId(storageId);
  // A decoded id holds just these.
  const table = decoded === null ? null : transaction.tables.numbered(component, decoded.tableNumber as TableNumber);
  if (decoded === null || table?.name !== STORAGE_TABLE) return "null";
  const json = await transaction.get(table, decoded.internalId as InternalId);
  return json === null ? "null" : JSON.stringify(await withUrl(context, JSON.parse(json) as JsonValue));
});

async function withUrl(context: SystemContext, document: JsonValue): Promise<JsonObject> {
  const { files, deployment, component } = context;
  const fields = isJsonObject(document) ? document : {};
  const { _id: text } = fields;
  const id = typeof text === "string" ? tryDecodeDocumentId(text) : null;
  if (id === null) throw new Error("a stored file has an id");
  const uuid = await files.names(deployment.catalog).uuid(id.internalId as InternalId); // A decoded id holds one.
  return { url: files.downloadUrl(component, uuid), ...fields };
}

export const deleteFile = adminMutation({ storageId: v.string() }, async (context, { storageId }) => {
  await deleteById(context, storageId);
  return null;
});

/** All of them or none. */
export const deleteFiles = adminMutation({ storageIds: v.array(v.string()) }, async (context, { storageIds }) => {
  for (const storageId of storageIds) await deleteById(context, storageId);
  return null;
});

export const generateUploadUrl = adminMutation({}, ({ files, component }) => files.uploadUrl(component));

async function deleteById(context: SystemMutationContext, storageId: string): Promise<void> {
  const { transaction, files, deployment, component } = context;
  const args = new SyscallArguments({ storageId }, "storage.delete");
  const ref = await fileOf(args, component, files.names(deployment.catalog));
  if (!(await remove(transaction, ref))) throw fileNotFound(args);
}
