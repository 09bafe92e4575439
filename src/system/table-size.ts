import { v } from "convex/values";
import { isSystemTable } from "../engine/tables.ts";
import { dependOnTables, dependOnTableNames } from "./dependencies.ts";
import { adminQuery } from "./system-query.ts";

/** Documents in a table. Reads all of them: nothing counts them as they are written. */
export const tableSize = adminQuery(
  { tableName: v.string() },
  async (context, { tableName }) => {
    dependOnTables(context);
    return JSON.stringify(await context.database.count(tableName));
  },
  { unbounded: true },
);

/** Documents in all tables of the component. */
export const sizeOfAllTables = adminQuery(
  {},
  async (context) => {
    dependOnTableNames(context);
    let size = 0;
    for (const { component, name } of context.deployment.catalog.tables()) {
      if (component === context.component && !isSystemTable(name)) size += await context.database.count(name);
    }
    return JSON.stringify(size);
  },
  { unbounded: true },
);
