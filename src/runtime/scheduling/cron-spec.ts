import { z } from "zod";
import type { JsonObject } from "../../shared/json.ts";

const cronSpec = z.object({
  name: z.string(),
  args: z.array(z.json()),
  schedule: z.record(z.string(), z.json()).and(z.object({ type: z.string() })),
});
const cronSpecs = z.record(z.string(), cronSpec);

/** One job of `crons.ts` as `export()` wrote it (`abi.md` §4.2). */
export type CronSpec = z.infer<typeof cronSpec>;

export type CronSchedule = JsonObject & { readonly type: string };

/** Jobs by identifier. `json`: what `export()` of the default export answered. `null`: it is no such thing. */
export function parseCronSpecs(json: string): ReadonlyMap<string, CronSpec> | null {
  const parsed = cronSpecs.safeParse(JSON.parse(json));
  return parsed.success ? new Map(Object.entries(parsed.data)) : null;
}
