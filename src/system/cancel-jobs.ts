import { z } from "zod";
import { SCHEDULED_FUNCTIONS } from "../engine/due-queue.ts";
import type { InternalId } from "../engine/names.ts";
import type { Committer } from "../protocol/execution.ts";
import type { SystemMutation } from "../runtime/scheduling/job-table.ts";
import { parsedMutation } from "../runtime/scheduling/parsed-mutation.ts";
import { canceled, isUnfinished } from "../runtime/scheduling/scheduled-function.ts";
import { isJsonObject, type JsonValue } from "../shared/json.ts";
import { decodeDocumentId } from "../values/document-id.ts";
import { readTablePage } from "./table-page.ts";

const CANCEL_PAGE_OP = "jobs.cancelPage";

/** Of one transaction. */
const PAGE = { rows: 1000, bytes: 4 * 1024 * 1024 };

/** Which of a component's scheduled functions. Times are milliseconds, the first included, the last not. */
export interface JobsToCancel {
  readonly component: string;
  /** As the job names it: `module.js:function`. Absent: every function. */
  readonly udfPath?: string;
  readonly from?: number;
  readonly to?: number;
}

const pageArgs = z.object({
  component: z.string(),
  udfPath: z.string().optional(),
  from: z.number().optional(),
  to: z.number().optional(),
  cursor: z.string().nullable(),
});
const pageAnswer = z.object({ cursor: z.string(), isDone: z.boolean() });

const cancelPage = parsedMutation(pageArgs, async ({ transaction, now }, { component, cursor, ...which }) => {
  const source = { transaction, component, paging: { previous: null, next: null } };
  const { page, isDone, continueCursor } = await readTablePage(source, SCHEDULED_FUNCTIONS, "asc", {
    cursor,
    endCursor: null,
    pageSize: PAGE.rows,
    maximumRowsRead: PAGE.rows,
    maximumBytesRead: PAGE.bytes,
  });
  const table = transaction.tables.named(component, SCHEDULED_FUNCTIONS);
  for (const json of page) {
    const job: JsonValue = JSON.parse(json);
    if (table === null || !isJsonObject(job) || !isUnfinished(job)) continue;
    const { _id: id, name, scheduledTime } = job;
    if (typeof id !== "string") throw new Error("a stored document has an id");
    const time = Number(scheduledTime);
    if (which.udfPath !== undefined && name !== which.udfPath) continue;
    if (time < (which.from ?? Number.NEGATIVE_INFINITY) || time >= (which.to ?? Number.POSITIVE_INFINITY)) continue;
    // A decoded id holds an internal one.
    const internalId = decodeDocumentId(id).internalId as InternalId;
    await transaction.system.replace(table, internalId, canceled(job, now));
  }
  return { cursor: continueCursor, isDone };
});

/** What the Transactor does for `cancelJobs`. */
export const CANCEL_JOBS_WORK: Readonly<Record<string, SystemMutation>> = { [CANCEL_PAGE_OP]: cancelPage };

/** Cancels what has not ended, a page of the table in each transaction. What is scheduled meanwhile is cancelled too. */
export async function cancelJobs(committer: Pick<Committer, "runSystem">, which: JobsToCancel): Promise<void> {
  let cursor: string | null = null;
  for (;;) {
    const answer = await committer.runSystem({ v: 1, op: CANCEL_PAGE_OP, args: { ...which, cursor } });
    const page = pageAnswer.parse(answer);
    if (page.isDone) return;
    cursor = page.cursor;
  }
}
