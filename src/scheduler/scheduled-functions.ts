import type { JobTable } from "../runtime/scheduling/job-table.ts";
import { ended, stateKind, targetOf } from "../runtime/scheduling/scheduled-function.ts";

/** Rules of `_scheduled_functions`: each job runs once, and its document tells how it ended (P-S-6). */
export const scheduledFunctionRules: JobTable = {
  step(job, { component }) {
    const kind = stateKind(job);
    if (kind !== "pending" && kind !== "inProgress") return { kind: "over" };
    const { _id: id } = job;
    if (typeof id !== "string") throw new Error("a document has an id");
    const context = {
      ip: null,
      userAgent: null,
      caller: "Scheduler",
      scheduledFunctionId: id,
      ...(component === "" ? {} : { scheduledFunctionComponent: component }),
    } as const;
    return { kind: kind === "pending" ? "run" : "started", run: { ...targetOf(job, component), context } };
  },

  started(job) {
    return { ...job, state: { kind: "inProgress" } };
  },

  finished(job, result, now) {
    return { document: ended(job, result.ok ? { kind: "success" } : { kind: "failed", error: result.error }, now) };
  },
};
