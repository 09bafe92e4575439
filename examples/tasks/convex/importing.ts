import { v } from "convex/values";
import { internal } from "./_generated/api";
import { action } from "./_generated/server";

/**
 * Fetches a JSON array of `{id, title}` from another server and stores what is new. May be run again after a
 * failure: the mutation recognises what it has seen.
 */
export const fromUrl = action({
  args: { project: v.string(), url: v.string() },
  returns: v.object({ found: v.number(), added: v.number() }),
  handler: async (ctx, { project, url }): Promise<{ found: number; added: number }> => {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    const items: { id: string | number; title: string }[] = await response.json();
    const tasks = items.map(({ id, title }) => ({ title, source: `${url}#${id}` }));
    const added: number = await ctx.runMutation(internal.tasks.addImported, { project, tasks });
    return { found: tasks.length, added };
  },
});
