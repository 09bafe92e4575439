import { v } from "convex/values";
import type { InternalId, TableNumber } from "../engine/names.ts";
import type { TableRow } from "../engine/persistence.ts";
import { isSystemTable, VIRTUAL_SYSTEM_TABLES } from "../engine/tables.ts";
import { tryDecodeDocumentId } from "../values/document-id.ts";
import { dependOnTables, dependOnTableNames } from "./dependencies.ts";
import { adminQuery, type SystemContext } from "./system-query.ts";
import { readTablePage } from "./table-page.ts";

/** Documents and bytes that a list without pages has at most. */
const MAX_SCAN = 32_000;
const SCAN_BYTES = 4 * 1024 * 1024;

/** A document of whatever table of the component its id belongs to, `null` if there is none. */
export const getById = adminQuery({ id: v.string() }, async (context, { id }) => {
  dependOnTables(context);
  return (await read(context, id, null)) ?? "null";
});

/** Documents in the order of their ids, `null` in the place of what is not there or in another table. */
export const listById = adminQuery(
  { ids: v.array(v.object({ id: v.string(), tableName: v.string() })) },
  async (context, { ids }) => {
    dependOnTables(context);
    const found = await Promise.all(ids.map(({ id, tableName }) => read(context, id, tableName)));
    return `[${found.map((document) => document ?? "null").join(",")}]`;
  },
);

/** The newest documents of a table, as many as fit. */
export const listTableScan = adminQuery({ table: v.string(), limit: v.number() }, async (context, { table, limit }) => {
  dependOnTables(context);
  if (table === "" || limit < 1) return "[]";
  const { page } = await readTablePage(context, table, "desc", {
    cursor: null,
    endCursor: null,
    pageSize: Math.min(Math.floor(limit), MAX_SCAN),
    maximumRowsRead: null,
    maximumBytesRead: SCAN_BYTES,
  });
  return `[${page.join(",")}]`;
});

/** Number of a table → its name, for whoever has an id and asks where it leads. */
export const getTableMapping = adminQuery({}, (context) => {
  dependOnTableNames(context);
  const tables = [...context.deployment.catalog.tables()].filter(
    (table) => table.component === context.component && isShown(table),
  );
  return JSON.stringify(Object.fromEntries(tables.map(({ number, name }) => [String(number), name])));
});

function isShown({ name }: TableRow): boolean {
  return !isSystemTable(name) || VIRTUAL_SYSTEM_TABLES.has(name);
}

async function read(
  { transaction, component }: SystemContext,
  text: string,
  tableName: string | null,
): Promise<string | null> {
  const decoded = tryDecodeDocumentId(text);
  if (decoded === null) return null;
  // A decoded id holds just these.
  const table = transaction.tables.numbered(component, decoded.tableNumber as TableNumber);
  if (table === null || !isShown(table) || (tableName !== null && table.name !== tableName)) return null;
  return transaction.get(table, decoded.internalId as InternalId);
}
