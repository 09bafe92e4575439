import { v } from "convex/values";
import { dependOnTables } from "./dependencies.ts";
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
