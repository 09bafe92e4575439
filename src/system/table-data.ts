import { v } from "convex/values";
import { dependOnTables } from "./dependencies.ts";
import { pageOptions, paginationOpts } from "./pagination-options.ts";
import { adminQuery } from "./system-query.ts";
import { pageText, readTablePage } from "./table-page.ts";

/** Documents of a table by creation time, one page. */
export const tableData = adminQuery(
  { table: v.string(), order: v.union(v.literal("asc"), v.literal("desc")), paginationOpts },
  async (context, { table, order, paginationOpts: options }) => {
    dependOnTables(context);
    return pageText(await readTablePage(context, table, order, pageOptions(options)));
  },
);
