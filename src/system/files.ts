import { v } from "convex/values";
import type { InternalId } from "../engine/names.ts";
import { STORAGE_TABLE, STORAGE_TABLE_NUMBER } from "../engine/tables.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { decodeDocumentId } from "../values/document-id.ts";
import { pageOptions, paginationOpts } from "./pagination-options.ts";
import { adminQuery, type SystemContext } from "./system-query.ts";
import { readTablePage } from "./table-page.ts";

/** Stored files of the component. */
export const numFiles = adminQuery({}, async ({ database }) => JSON.stringify(await database.count(STORAGE_TABLE)), {
  unbounded: true,
});

/** Documents of files with the URLs that serve them, one page, the newest first unless it is asked otherwise. */
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
  async (context, { paginationOpts: options, filters = {} }) => {
    const { minCreationTime, maxCreationTime, order = "desc" } = filters;
    const bounds = [
      ...(minCreationTime === undefined ? [] : [bound("$gte", minCreationTime)]),
      ...(maxCreationTime === undefined ? [] : [bound("$lte", maxCreationTime)]),
    ];
    const read = await readTablePage(context, STORAGE_TABLE, order, pageOptions(options), bounds);
    const page = await Promise.all(read.page.map((json) => withUrl(context, JSON.parse(json))));
    return JSON.stringify({ ...read, page });
  },
);

/** The same of one file, `null` when there is none. */
export const getFile = adminQuery({ storageId: v.string() }, async (context, { storageId }) => {
  const { transaction, component } = context;
  const { tableNumber, internalId } = decodeDocumentId(storageId);
  const table = transaction.tables.named(component, STORAGE_TABLE);
  if (table === null || tableNumber !== STORAGE_TABLE_NUMBER) {
    await transaction.pin();
    return "null";
  }
  // A decoded id holds an internal one.
  const json = await transaction.get(table, internalId as InternalId);
  return json === null ? "null" : JSON.stringify(await withUrl(context, JSON.parse(json)));
});

function bound(comparison: string, time: number): JsonValue {
  return { filter: { [comparison]: [{ $field: "_creationTime" }, { $literal: time }] } };
}

async function withUrl({ addresses, deployment, component }: SystemContext, document: JsonValue): Promise<JsonObject> {
  const file = isJsonObject(document) ? document : {};
  const { internalId } = decodeDocumentId(String(file["_id"]));
  const uuid = await addresses.names(deployment.catalog).uuid(internalId as InternalId);
  return { url: addresses.downloadUrl(component, uuid), ...file };
}
