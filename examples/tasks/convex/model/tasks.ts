import type { Doc } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";

export const MAX_TITLE_LENGTH = 200;

/** All tasks of a project, newest first. */
export async function tasksOf(ctx: QueryCtx, project: string): Promise<Doc<"tasks">[]> {
  return await ctx.db
    .query("tasks")
    .withIndex("by_project", (q) => q.eq("project", project))
    .order("desc")
    .collect();
}

/** Inserts an open task. Throws when the title is empty or too long, so every caller enforces the same rule. */
export async function insertTask(ctx: MutationCtx, task: { project: string; title: string; source?: string }) {
  const title = task.title.trim();
  if (title === "" || title.length > MAX_TITLE_LENGTH) {
    throw new Error(`A title has 1 to ${MAX_TITLE_LENGTH} characters.`);
  }
  return await ctx.db.insert("tasks", { ...task, title, state: "open" });
}
