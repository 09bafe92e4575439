"use node";
import { v } from "convex/values";
import { api } from "./_generated/api";
import type { Doc } from "./_generated/dataModel";
import { action } from "./_generated/server";

export const noop = action({ args: {}, handler: async () => null });

export const readMessage = action({
  args: { id: v.id("messages") },
  handler: (ctx, { id }): Promise<Doc<"messages"> | null> => ctx.runQuery(api.messages.get, { id }),
});
