import { v } from "convex/values";
import { dependOnImports } from "./dependencies.ts";
import { paginationOpts } from "./pagination-options.ts";
import { adminQuery } from "./system-query.ts";
import { readTablePage } from "./table-page.ts";

/** Documents of a table by creation time, one page. */
export const tableData = adminQuery(
  { table: v.string(), order: v.union(v.literal("asc"), v.literal("desc")), paginationOpts },
  async (context, { table, order, paginationOpts: options }) => {
    dependOnImports(context);
    const { page, ...rest } = await readTablePage(context, table, order, {
      cursor: options.cursor,
      endCursor: options.endCursor ?? null,
      pageSize: Math.floor(options.numItems),
      maximumRowsRead: options.maximumRowsRead ?? null,
      maximumBytesRead: options.maximumBytesRead ?? null,
    });
    return `{"page":[${page.join(",")}],${JSON.stringify(rest).slice(1)}`;
  },
);
