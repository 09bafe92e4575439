import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

export const create = mutation({
  args: { names: v.array(v.string()) },
  handler: (ctx, { names }) => Promise.all(names.map((name) => ctx.db.insert("counters", { name, value: 0 }))),
});

export const modify = mutation({
  args: { id: v.id("counters") },
  handler: async (ctx, { id }) => {
    const counter = await ctx.db.get(id);
    if (counter === null) throw new Error("no such counter");
    await ctx.db.patch(id, { value: counter.value + 1 });
    return counter.value + 1;
  },
});

export const get = query({
  args: { id: v.id("counters") },
  handler: (ctx, { id }) => ctx.db.get(id),
});

export const total = query({
  args: {},
  handler: async (ctx) => {
    const counters = await ctx.db.query("counters").collect();
    return counters.reduce((sum, { value }) => sum + value, 0);
  },
});
