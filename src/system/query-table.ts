import { v } from "convex/values";
import { EVERYTHING } from "../engine/interval.ts";
import { tableRef } from "../engine/read-set.ts";
import { dependOnTables } from "./dependencies.ts";
import { adminQuery } from "./system-query.ts";

/**
 * A value that is another one after every write to the table: what `npx convex dev` watches while documents keep a
 * push from going in. Reads nothing; the snapshot's timestamp tells runs apart.
 */
export const queryTable = adminQuery({ tableName: v.string() }, (context, { tableName }) => {
  const { transaction, component } = context;
  dependOnTables(context);
  const table = transaction.tables.named(component, tableName);
  if (table !== null) context.dependOn(tableRef(table.id), EVERYTHING);
  return JSON.stringify(transaction.snapshotTs);
});
