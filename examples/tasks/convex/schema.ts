import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  tasks: defineTable({
    project: v.string(),
    title: v.string(),
    state: v.union(v.literal("open"), v.literal("done")),
    /** Where it was imported from. */
    source: v.optional(v.string()),
  })
    .index("by_project", ["project", "state"])
    .index("by_source", ["source"]),

  /** How far the import of a project is. */
  imports: defineTable({ project: v.string(), done: v.number(), total: v.number() }).index("by_project", ["project"]),

  reports: defineTable({
    project: v.string(),
    open: v.number(),
    done: v.number(),
    text: v.string(),
  }).index("by_project", ["project"]),
});
