import { type Infer, v } from "convex/values";
import { decodeDocumentId } from "../values/document-id.ts";
import type { InternalId, TableNumber } from "../engine/names.ts";
import { dependOnImports } from "./dependencies.ts";
import { parseFilters } from "./document-filters.ts";
import { pageOptions, paginationOpts } from "./pagination-options.ts";
import { adminQuery, type SystemContext } from "./system-query.ts";
import { pageText, readTablePage } from "./table-page.ts";

const MAX_SCAN = 32_000;

/** The newest documents of a table, newest first. */
export const listTableScan = adminQuery({ table: v.string(), limit: v.number() }, async (context, { table, limit }) => {
  dependOnImports(context);
  if (limit < 1) return "[]";
  const options = { cursor: null, numItems: Math.min(limit, MAX_SCAN) };
  const { page } = await readTablePage(context, table, "desc", pageOptions(options));
  return `[${page.join(",")}]`;
});

/** Documents of a table, one page, as the dashboard's data view filters them. */
export const paginatedTableDocuments = adminQuery(
  { table: v.string(), filters: v.optional(v.union(v.string(), v.null())), paginationOpts },
  async (context, { table, filters, paginationOpts: options }) => {
    dependOnImports(context);
    const { order, operators } = parseFilters(filters ?? null);
    return pageText(await readTablePage(context, table, order, pageOptions(options), operators));
  },
);

const documentName = v.object({ id: v.string(), tableName: v.string() });

/** Documents by their ids, in that order; `null` for those that are not there. */
export const listById = adminQuery({ ids: v.array(documentName) }, async (context, { ids }) => {
  dependOnImports(context);
  const documents: string[] = [];
  for (const name of ids) documents.push((await find(context, name)) ?? "null");
  return `[${documents.join(",")}]`;
});

async function find(context: SystemContext, { id, tableName }: Infer<typeof documentName>): Promise<string | null> {
  const { transaction, component } = context;
  const { tableNumber, internalId } = decodeDocumentId(id);
  const table = transaction.tables.numbered(component, tableNumber as TableNumber);
  if (table === null || table.name !== tableName) {
    await transaction.pin();
    return null;
  }
  return await transaction.get(table, internalId as InternalId);
}
