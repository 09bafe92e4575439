"use node";
import { v } from "convex/values";
import { api } from "./_generated/api";
import type { Doc } from "./_generated/dataModel";
import { action } from "./_generated/server";

export const noop = action({ args: {}, handler: async () => null });

export const readMessage = action({
  args: { id: v.id("messages"), nonce: v.optional(v.number()) },
  handler: (ctx, args): Promise<Doc<"messages"> | null> => ctx.runQuery(api.messages.get, args),
});
