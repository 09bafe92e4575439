import { v } from "convex/values";

/** `paginationOpts` as clients send them. */
export const paginationOpts = v.object({
  cursor: v.union(v.string(), v.null()),
  endCursor: v.optional(v.union(v.string(), v.null())),
  numItems: v.number(),
  id: v.optional(v.number()),
  maximumRowsRead: v.optional(v.number()),
  maximumBytesRead: v.optional(v.number()),
});
