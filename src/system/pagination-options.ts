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

export function pageOptions(options: Infer<typeof paginationOpts>): PaginationOptions {
  return {
    cursor: options.cursor,
    endCursor: options.endCursor ?? null,
    pageSize: Math.floor(options.numItems),
    maximumRowsRead: options.maximumRowsRead ?? null,
    maximumBytesRead: options.maximumBytesRead ?? null,
  };
}
