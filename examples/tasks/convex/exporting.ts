"use node";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { v } from "convex/values";
import { api } from "./_generated/api";
import { action } from "./_generated/server";

/** Runs in Node: a compressed copy of a project's tasks with its checksum. */
export const archive = action({
  args: { project: v.string() },
  returns: v.object({ gzip: v.bytes(), sha256: v.string() }),
  handler: async (ctx, { project }): Promise<{ gzip: ArrayBuffer; sha256: string }> => {
    const tasks: unknown = await ctx.runQuery(api.tasks.list, { project });
    const gzip = gzipSync(JSON.stringify(tasks));
    return { gzip: Uint8Array.from(gzip).buffer, sha256: createHash("sha256").update(gzip).digest("hex") };
  },
});
