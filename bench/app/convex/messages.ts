import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

/** Makes a call another one than all before, so that it is really run. */
const nonce = v.optional(v.number());

const fields = { channel: v.string(), author: v.string(), body: v.string() };

export const get = query({
  args: { id: v.id("messages"), nonce },
  handler: (ctx, { id }) => ctx.db.get(id),
});

export const list = query({
  args: { channel: v.string(), nonce },
  handler: (ctx, { channel }) =>
    ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .order("desc")
      .take(20),
});

export const insert = mutation({
  args: fields,
  handler: (ctx, message) => ctx.db.insert("messages", message),
});

/** Changes no indexed field only if `body` stays as it is. */
export const edit = mutation({
  args: { id: v.id("messages"), body: v.string() },
  handler: (ctx, { id, body }) => ctx.db.patch(id, { body }),
});

export const seed = mutation({
  args: { messages: v.array(v.object(fields)) },
  handler: (ctx, { messages }) => Promise.all(messages.map((message) => ctx.db.insert("messages", message))),
});
