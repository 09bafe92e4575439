import { v } from "convex/values";
import { api } from "./_generated/api";
import { mutation, query } from "./_generated/server";

/** Schedules itself `left` times more. Each run leaves its start in the counter of the chain. */
export const hop = mutation({
  args: { id: v.id("counters"), left: v.number(), after: v.number() },
  handler: async (ctx, { id, left, after }): Promise<void> => {
    await ctx.db.patch(id, { value: Date.now() });
    if (left > 0) await ctx.scheduler.runAfter(after, api.jobs.hop, { id, left: left - 1, after });
  },
});

export const start = mutation({
  args: { name: v.string(), hops: v.number(), after: v.number() },
  handler: async (ctx, { name, hops, after }) => {
    const id = await ctx.db.insert("counters", { name, value: 0 });
    const job = await ctx.scheduler.runAfter(0, api.jobs.hop, { id, left: hops, after });
    return { id, job, at: Date.now() };
  },
});

/** `count` jobs, a microsecond apart from `at` on: the last one is due last. Answers its id. */
export const scheduleModify = mutation({
  args: { ids: v.array(v.id("counters")), at: v.number() },
  handler: async (ctx, { ids, at }) => {
    let last: string | null = null;
    for (const [i, id] of ids.entries()) last = await ctx.scheduler.runAt(at + i / 1000, api.counters.modify, { id });
    return last;
  },
});

export const completedTime = query({
  args: { id: v.id("_scheduled_functions") },
  handler: async (ctx, { id }) => (await ctx.db.system.get(id))?.completedTime ?? null,
});

/** Of all jobs that are due before a time: how many are over, and when the last one was. */
export const ends = query({
  args: { before: v.number() },
  handler: async (ctx, { before }) => {
    let over = 0;
    let last = 0;
    for await (const { scheduledTime, completedTime } of ctx.db.system.query("_scheduled_functions")) {
      if (scheduledTime > before || completedTime === undefined) continue;
      over += 1;
      last = Math.max(last, completedTime);
    }
    return { over, last };
  },
});
