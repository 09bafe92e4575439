import { ConvexError, v } from "convex/values";
import { internalMutation, internalQuery, mutation, query } from "./_generated/server";
import { insertTask, tasksOf } from "./model/tasks";

export const list = query({
  args: { project: v.string() },
  handler: async (ctx, { project }) => await tasksOf(ctx, project),
});

export const add = mutation({
  args: { project: v.string(), title: v.string() },
  returns: v.id("tasks"),
  handler: async (ctx, args) => await insertTask(ctx, args),
});

export const complete = mutation({
  args: { task: v.id("tasks") },
  returns: v.null(),
  handler: async (ctx, { task }) => {
    if ((await ctx.db.get(task)) === null) throw new ConvexError({ code: "NoSuchTask", task });
    await ctx.db.patch(task, { state: "done" });
    return null;
  },
});

export const remove = mutation({
  args: { task: v.id("tasks") },
  handler: async (ctx, { task }) => await ctx.db.delete(task),
});

/** How many tasks of a project are open and done. Internal: clients can't call it, actions can. */
export const count = internalQuery({
  args: { project: v.string() },
  returns: v.object({ open: v.number(), done: v.number() }),
  handler: async (ctx, { project }) => {
    const tasks = await tasksOf(ctx, project);
    const open = tasks.filter((task) => task.state === "open").length;
    return { open, done: tasks.length - open };
  },
});

/** Stores imported tasks once: those whose source is known already are left out. Returns how many were new. */
export const addImported = internalMutation({
  args: { project: v.string(), tasks: v.array(v.object({ title: v.string(), source: v.string() })) },
  returns: v.number(),
  handler: async (ctx, { project, tasks }) => {
    let added = 0;
    for (const task of tasks) {
      const known = await ctx.db
        .query("tasks")
        .withIndex("by_source", (q) => q.eq("source", task.source))
        .first();
      if (known !== null) continue;
      await insertTask(ctx, { project, ...task });
      added++;
    }
    return added;
  },
});
