import { v } from "convex/values";
import { internal } from "./_generated/api";
import { action, internalMutation, query } from "./_generated/server";

/** Reads one snapshot through a query, works on it, and stores the outcome through a mutation. */
export const create = action({
  args: { project: v.string() },
  returns: v.string(),
  handler: async (ctx, { project }): Promise<string> => {
    const { open, done }: { open: number; done: number } = await ctx.runQuery(internal.tasks.count, { project });
    const text = `${project}: ${open} open, ${done} done`;
    await ctx.runMutation(internal.reports.store, { project, open, done, text });
    return text;
  },
});

export const store = internalMutation({
  args: { project: v.string(), open: v.number(), done: v.number(), text: v.string() },
  returns: v.id("reports"),
  handler: async (ctx, report) => await ctx.db.insert("reports", report),
});

export const latest = query({
  args: { project: v.string() },
  handler: async (ctx, { project }) =>
    await ctx.db
      .query("reports")
      .withIndex("by_project", (q) => q.eq("project", project))
      .order("desc")
      .first(),
});
