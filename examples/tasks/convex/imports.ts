import { v } from "convex/values";
import { internal } from "./_generated/api";
import { action, internalMutation, query } from "./_generated/server";
import { insertTask } from "./model/tasks";

const CHORES = ["Water the plants", "Answer the mail", "Sweep the stairs", "Fix the lamp", "Call the bank"];

/** A long job that tells how far it is: whoever subscribes to `progress` sees every step. */
export const chores = action({
  args: { project: v.string(), pauseMs: v.optional(v.number()) },
  returns: v.number(),
  handler: async (ctx, { project, pauseMs }): Promise<number> => {
    for (const [step, title] of CHORES.entries()) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs ?? 300));
      await ctx.runMutation(internal.imports.advance, { project, title, done: step + 1, total: CHORES.length });
    }
    return CHORES.length;
  },
});

/** The task and the progress it makes are stored together or not at all. */
export const advance = internalMutation({
  args: { project: v.string(), title: v.string(), done: v.number(), total: v.number() },
  returns: v.null(),
  handler: async (ctx, { project, title, done, total }) => {
    await insertTask(ctx, { project, title });
    const known = await ctx.db
      .query("imports")
      .withIndex("by_project", (q) => q.eq("project", project))
      .unique();
    if (known === null) await ctx.db.insert("imports", { project, done, total });
    else await ctx.db.patch(known._id, { done, total });
    return null;
  },
});

export const progress = query({
  args: { project: v.string() },
  handler: async (ctx, { project }) =>
    await ctx.db
      .query("imports")
      .withIndex("by_project", (q) => q.eq("project", project))
      .unique(),
});
