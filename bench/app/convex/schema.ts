import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

/** The same tables and indexes as `bench/baseline/schema.ts`. */
export default defineSchema({
  messages: defineTable({ channel: v.string(), author: v.string(), body: v.string() })
    .index("by_channel", ["channel"])
    .index("by_author", ["author"])
    .index("by_body", ["body"]),
  counters: defineTable({ name: v.string(), value: v.number() }).index("by_name", ["name"]),
});
