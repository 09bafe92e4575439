import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

/** `messages` and `counters` have the same indexes as in `bench/baseline/schema.ts`; the rest is for searches. */
export default defineSchema({
  messages: defineTable({ channel: v.string(), author: v.string(), body: v.string() })
    .index("by_channel", ["channel"])
    .index("by_author", ["author"])
    .index("by_body", ["body"]),
  counters: defineTable({ name: v.string(), value: v.number() }).index("by_name", ["name"]),
  notes: defineTable({ body: v.string() }).searchIndex("by_body", { searchField: "body" }),
  plainNotes: defineTable({ body: v.string() }),
  vectors: defineTable({ kind: v.string(), vector: v.array(v.float64()) }).vectorIndex("by_vector", {
    vectorField: "vector",
    dimensions: 1536,
    filterFields: ["kind"],
  }),
});
