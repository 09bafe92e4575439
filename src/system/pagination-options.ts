import { type Infer, v } from "convex/values";
import type { PaginationOptions } from "../engine/pagination.ts";

/** `paginationOpts` as clients send them. */
export const paginationOpts = v.object({
  cursor: v.union(v.string(), v.null()),
  endCursor: v.optional(v.union(v.string(), v.null())),
  numItems: v.number(),
  id: v.optional(v.number()),
  maximumRowsRead: v.optional(v.number()),
  maximumBytesRead: v.optional(v.number()),
});

/** `caps`: for clients that state none. */
export function pageOptions(
  options: Infer<typeof paginationOpts>,
  caps: { readonly rows: number | null; readonly bytes: number | null } = { rows: null, bytes: null },
): PaginationOptions {
  return {
    cursor: options.cursor,
    endCursor: options.endCursor ?? null,
    pageSize: Math.floor(options.numItems),
    maximumRowsRead: options.maximumRowsRead ?? caps.rows,
    maximumBytesRead: options.maximumBytesRead ?? caps.bytes,
  };
}
