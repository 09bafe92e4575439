import { dueKeyOf, parseDueKey } from "../../engine/due-queue.ts";
import type { IndexKey } from "../../engine/names.ts";
import type { TableRow } from "../../engine/persistence.ts";
import type { SnapshotReader } from "../../engine/snapshot-reader.ts";
import type { FunctionCall, FunctionLogLine, FunctionOutcome, UdfType } from "../../protocol/execution.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../shared/json.ts";
import { isPaused, isPausedAt } from "../code/deployment-state.ts";
import type { Deployment } from "../code/deployments.ts";
import type { JobResult, JobRun, JobStep, JobTable, JobTables, SystemContext } from "./job-table.ts";

export interface FoundJob {
  readonly table: TableRow;
  readonly rules: JobTable;
  readonly document: JsonObject;
  readonly step: JobStep;
}

interface Runnable {
  readonly run: JobRun;
  /** Of the function as it is now, `null` when there is none. */
  readonly udfType: UdfType | null;
}

export type JobView<More = unknown> =
  | { readonly kind: "over" }
  | { readonly kind: "change" }
  | { readonly kind: "held" }
  | ({ readonly kind: "run" } & Runnable & More)
  | ({ readonly kind: "started" } & Runnable & More);

/** `call`: what is run, made anew each time it is looked at. */
export type RunnableView = JobView<{ readonly call: FunctionCall }>;

/** The job in the transaction, which depends on it from now on; `null` when it is not due under this key any more. */
export async function findJob(
  jobs: JobTables,
  { transaction, deployment, now }: Pick<SystemContext, "transaction" | "deployment" | "now">,
  key: IndexKey,
): Promise<FoundJob | null> {
  const { tableId, id } = parseDueKey(key);
  const table = deployment.catalog.tableById(tableId);
  if (table === undefined) return null;
  return judged(jobs, table, await transaction.system.get(table, id), key, deployment, now);
}

/** The same without a transaction: as of the reader's snapshot. */
export async function lookAtJob(
  jobs: JobTables,
  deployment: Deployment,
  reader: SnapshotReader,
  key: IndexKey,
  now: number,
): Promise<JobView> {
  const { catalog, app } = deployment;
  const { tableId, id } = parseDueKey(key);
  const table = catalog.tableById(tableId);
  if (table === undefined) return { kind: "over" };
  const [stored] = await reader.read([{ kind: "get", tableId, id }]);
  const document: JsonValue = stored === null ? null : JSON.parse(stored.json);
  const step = judged(jobs, table, document, key, deployment, now)?.step;
  if (step === undefined) return { kind: "over" };
  if (step.kind !== "run" && step.kind !== "started") return { kind: step.kind };
  return { kind: step.kind, run: step.run, udfType: app?.resolve(step.run.path)?.udfType ?? null };
}

/**
 * Runs a mutation as the job of this key: what it wrote and that it is over are one transaction. `null`: there was
 * nothing to run. A failed one leaves nothing but its failure.
 */
export async function runAsJob(
  jobs: JobTables,
  context: SystemContext,
  key: IndexKey,
  run: () => Promise<FunctionOutcome>,
): Promise<FunctionOutcome | null> {
  const job = await findJob(jobs, context, key);
  if (job === null || job.step.kind !== "run") return null;
  const nested = context.transaction.begin();
  const outcome = await run();
  if (outcome.ok) nested.commit();
  else nested.rollback();
  const result: JobResult = outcome.ok ? { ok: true } : { ok: false, error: outcome.error.message };
  const warning = await finishJob(context, key, job, result);
  if (warning === null) return outcome;
  return { ...outcome, logLines: [...outcome.logLines, warningLine(warning, context.runtime.clock.now())] };
}

/** A line of the backend's own in the log of a job. */
export function warningLine(message: string, now: number): FunctionLogLine {
  return { level: "WARN", messages: [message], isTruncated: false, timestamp: now };
}

/** Answers what the function's log should say about it. */
export async function finishJob(
  { transaction, runtime }: SystemContext,
  key: IndexKey,
  { table, rules, document }: FoundJob,
  result: JobResult,
): Promise<string | null> {
  const { id } = parseDueKey(key);
  const finished = rules.finished(document, result, runtime.clock.now());
  await transaction.system.replace(table, id, finished.document);
  return finished.warning ?? null;
}

function judged(
  jobs: JobTables,
  table: TableRow,
  document: JsonValue,
  key: IndexKey,
  deployment: Deployment,
  now: number,
): FoundJob | null {
  const rules = jobs.get(table.name);
  if (rules === undefined || !isJsonObject(document)) return null;
  if (dueKeyOf(table, document, parseDueKey(key).id) !== key) return null;
  return { table, rules, document, step: stepOf(rules, document, table, deployment, now, parseDueKey(key).dueAt) };
}

function stepOf(
  rules: JobTable,
  document: JsonObject,
  table: TableRow,
  { app, catalog: { values } }: Deployment,
  now: number,
  dueAt: number,
): JobStep {
  const step = rules.step(document, table, app, now);
  if (step.kind !== "run") return step;
  if (rules.missed !== undefined && isPausedAt(values, dueAt)) {
    return { kind: "change", document: rules.missed(document, now) };
  }
  return isPaused(values) ? { kind: "held" } : step;
}
