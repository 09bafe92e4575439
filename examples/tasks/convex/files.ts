import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

/** Files of the app: uploaded by the browser to a URL of its own, shown by another one. */

/** Where the browser sends a file by `POST`, within an hour. The answer is `{ storageId }`. */
export const generateUploadUrl = mutation({
  args: {},
  returns: v.string(),
  handler: async (ctx) => ctx.storage.generateUploadUrl(),
});

/** The newest files with their URLs. A browser may show them directly: `<img src={url}>`. */
export const list = query({
  args: {},
  handler: async (ctx) => {
    const files = await ctx.db.system.query("_storage").order("desc").take(20);
    return Promise.all(files.map(async (file) => ({ ...file, url: await ctx.storage.getUrl(file._id) })));
  },
});

/** The file's URLs end with it. */
export const remove = mutation({
  args: { storageId: v.id("_storage") },
  returns: v.null(),
  handler: async (ctx, { storageId }) => {
    await ctx.storage.delete(storageId);
    return null;
  },
});
