import { z } from "zod";
import { CRON_JOBS, parseDueKey, SCHEDULED_FUNCTIONS } from "../engine/due-queue.ts";
import type { IndexKey, InternalId, TableId } from "../engine/names.ts";
import type { JobResult, JobTables, SystemContext, SystemWork } from "../runtime/scheduling/job-table.ts";
import {
  CANCEL_OP,
  FINISH_OP,
  LOSE_OP,
  REFUSE_OP,
  REMOVE_OP,
  SCHEDULE_OP,
  SETTLE_OP,
  START_OP,
  SYNC_CRONS_OP,
} from "../runtime/scheduling/operations.ts";
import { findJob, finishJob } from "../runtime/scheduling/run-job.ts";
import { cancelFunction, scheduleFunction, type Scheduling } from "../runtime/scheduling/schedule.ts";
import { parsedMutation } from "../runtime/scheduling/parsed-mutation.ts";
import { SyscallArguments } from "../runtime/syscalls/arguments.ts";
import { badRequest } from "../shared/coded-error.ts";
import type { JsonValue } from "../shared/json.ts";
import { cronJobRules } from "./cron-jobs.ts";
import { lostReason } from "./lost-reason.ts";
import { scheduledFunctionRules } from "./scheduled-functions.ts";
import { isOverSince } from "./sweep.ts";
import { syncCrons } from "./sync-crons.ts";

const JOBS: JobTables = new Map([
  [SCHEDULED_FUNCTIONS, scheduledFunctionRules],
  [CRON_JOBS, cronJobRules],
]);

// Keys come from the queue, by way of our own Workers.
const key = z.string().transform((text) => text as IndexKey);

const orderArgs = z.object({
  component: z.string(),
  request: z.record(z.string(), z.json()),
  scheduledFunctionId: z.string().nullable(),
  scheduledFunctionComponent: z.string().optional(),
});
const keyArgs = z.object({ key });
const loseArgs = z.object({ key, phase: z.enum(["unknown", "starting", "running"]) });
const removeArgs = z.object({
  tableId: z.number().transform((id) => id as TableId),
  ids: z.array(z.string().transform((id) => id as InternalId)),
  before: z.number(),
});
const endArgs = z.object({ key, error: z.string().nullable() });

const schedule = parsedMutation(orderArgs, async (context, { request, ...order }) =>
  scheduleFunction(schedulingOf(context, order), new SyscallArguments(request, "scheduler")),
);

const cancel = parsedMutation(orderArgs, async (context, { request, ...order }) => {
  await cancelFunction(schedulingOf(context, order), new SyscallArguments(request, "db.cancel_job"), null);
  return null;
});

/** True: the job is marked as started, and the caller is the one who runs it. */
const start = parsedMutation(keyArgs, async (context, args) => {
  const job = await findJob(JOBS, context, args.key);
  if (job?.step.kind !== "run") return false;
  const { transaction, runtime } = context;
  const started = job.rules.started(job.document, runtime.clock.now());
  await transaction.system.replace(job.table, parseDueKey(args.key).id, started);
  return true;
});

/** The end of an action. Without effect when the job is over, because it was cancelled or given up as lost. */
const finish = parsedMutation(endArgs, (context, { key: jobKey, error }) =>
  end(context, jobKey, "started", error === null ? { ok: true } : { ok: false, error }),
);

/** A job that was started and that nobody runs. */
const lose = parsedMutation(loseArgs, (context, { key: jobKey, phase }) =>
  end(context, jobKey, "started", { ok: false, error: lostReason(phase) }),
);

/** A job that can't be run. */
const refuse = parsedMutation(endArgs, (context, { key: jobKey, error }) =>
  end(context, jobKey, "run", { ok: false, error: error ?? "" }),
);

/** `false`: it was not at this step any more. Otherwise how it ended, and what its log should say. */
async function end(
  context: SystemContext,
  jobKey: IndexKey,
  from: "run" | "started",
  result: JobResult,
): Promise<JsonValue> {
  const job = await findJob(JOBS, context, jobKey);
  if (job?.step.kind !== from) return false;
  const warning = await finishJob(context, jobKey, job, result);
  return { error: result.ok ? null : result.error, warning };
}

/** A job that is not to be run any more. */
const settle = parsedMutation(keyArgs, async (context, args) => {
  const job = await findJob(JOBS, context, args.key);
  if (job?.step.kind !== "change") return false;
  await context.transaction.system.replace(job.table, parseDueKey(args.key).id, job.step.document);
  return true;
});

/** Jobs that were over before a time. Others of the list stay. */
const remove = parsedMutation(removeArgs, async ({ transaction, deployment }, { tableId, ids, before }) => {
  const table = deployment.catalog.tableById(tableId);
  if (table?.name !== SCHEDULED_FUNCTIONS) return null;
  await Promise.all(
    ids.map(async (id) => {
      const job = await transaction.system.get(table, id);
      if (job !== null && isOverSince(job, before)) await transaction.system.replace(table, id, null);
    }),
  );
  return null;
});

/** What the Transactor does for the Scheduler and for the actions that schedule. */
export const SCHEDULER_WORK: SystemWork = {
  jobs: JOBS,
  mutations: {
    [SCHEDULE_OP]: schedule,
    [CANCEL_OP]: cancel,
    [START_OP]: start,
    [FINISH_OP]: finish,
    [LOSE_OP]: lose,
    [REFUSE_OP]: refuse,
    [SETTLE_OP]: settle,
    [REMOVE_OP]: remove,
    [SYNC_CRONS_OP]: parsedMutation(z.object({}), syncCrons),
  },
};

function schedulingOf(
  { transaction, deployment, runtime, now }: SystemContext,
  order: Omit<z.output<typeof orderArgs>, "request">,
): Scheduling {
  const { app } = deployment;
  if (app === null) throw badRequest("NoApp", "Nothing is deployed.");
  const { component, scheduledFunctionId, scheduledFunctionComponent } = order;
  return {
    transaction,
    component,
    app,
    handles: runtime.handles({ ...deployment, app }),
    parent: {
      scheduledFunctionId,
      ...(scheduledFunctionComponent === undefined ? {} : { scheduledFunctionComponent }),
    },
    now,
  };
}
