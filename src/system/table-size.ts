import { v } from "convex/values";
import { adminQuery } from "./system-query.ts";

/** Documents in a table. Reads all of them: nothing counts them as they are written. */
export const tableSize = adminQuery(
  { tableName: v.string() },
  async ({ database }, { tableName }) => JSON.stringify(await database.count(tableName)),
  { unbounded: true },
);
