import { convexToJson, type Value, v } from "convex/values";
import { SCHEDULED_FUNCTIONS } from "../engine/due-queue.ts";
import { isUnfinished, stateKind } from "../runtime/scheduling/scheduled-function.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { pageOptions, paginationOpts } from "./pagination-options.ts";
import { adminQuery } from "./system-query.ts";
import { readTablePage } from "./table-page.ts";

/**
 * Scheduled functions that are not over, a page of the table at a time: pages are shorter than asked for by what is
 * over or of another function.
 */
export const paginatedScheduledJobs = adminQuery(
  { paginationOpts, udfPath: v.optional(v.string()) },
  async (context, { paginationOpts: options, udfPath }) => {
    const { page, ...rest } = await readTablePage(context, SCHEDULED_FUNCTIONS, "asc", pageOptions(options));
    const jobs = page
      .map((json): JsonValue => JSON.parse(json))
      .filter(isJsonObject)
      .filter((job) => isUnfinished(job) && (udfPath === undefined || job["name"] === udfPath));
    return JSON.stringify({ page: convexToJson(jobs.map(jobOf)), ...rest });
  },
);

function jobOf(job: JsonObject): Value {
  const { _id: id, _creationTime: creationTime, name, args, scheduledTime } = job;
  return {
    _id: typeof id === "string" ? id : "",
    _creationTime: Number(creationTime),
    udfPath: typeof name === "string" ? name : "",
    udfArgs: Uint8Array.from(new TextEncoder().encode(JSON.stringify(args ?? []))).buffer,
    nextTs: BigInt(Math.round(Number(scheduledTime) * 1000)) * 1000n,
    state: { type: stateKind(job) },
  };
}
