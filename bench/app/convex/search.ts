import { v } from "convex/values";
import { action, mutation, query } from "./_generated/server";

const note = { body: v.string() };

export const find = query({
  args: { text: v.string() },
  handler: (ctx, { text }) =>
    ctx.db
      .query("notes")
      .withSearchIndex("by_body", (q) => q.search("body", text))
      .take(20),
});

export const insert = mutation({ args: note, handler: (ctx, fields) => ctx.db.insert("notes", fields) });

export const insertPlain = mutation({ args: note, handler: (ctx, fields) => ctx.db.insert("plainNotes", fields) });

export const seed = mutation({
  args: { bodies: v.array(v.string()) },
  handler: async (ctx, { bodies }) => {
    await Promise.all(bodies.map((body) => ctx.db.insert("notes", { body })));
  },
});

/** Components of few digits: what is stored is JSON, and the time to store it is not measured. */
function vector(seed: number, dimensions: number): number[] {
  let state = seed;
  return Array.from({ length: dimensions }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >> 20) / 1000;
  });
}

export const seedVectors = mutation({
  args: { from: v.number(), count: v.number() },
  handler: async (ctx, { from, count }) => {
    for (let i = from; i < from + count; i++) {
      await ctx.db.insert("vectors", { kind: `kind ${i % 10}`, vector: vector(i * 7919 + 1, 1536) });
    }
  },
});

export const nearest = action({
  args: { seed: v.number(), limit: v.number() },
  handler: (ctx, { seed: from, limit }) =>
    ctx.vectorSearch("vectors", "by_vector", { vector: vector(from * 104_729 + 3, 1536), limit }),
});
