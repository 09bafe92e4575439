import type { TableRow } from "../../engine/persistence.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { RequestContext } from "../../protocol/execution.ts";
import type { FunctionPath } from "../../protocol/function-path.ts";
import type { JsonObject, JsonValue } from "../../shared/json.ts";
import type { App } from "../code/app.ts";
import type { Deployment } from "../code/deployments.ts";
import type { RuntimeEnvironment } from "../functions/environment.ts";

/** What a job runs. */
export interface JobRun {
  readonly path: FunctionPath;
  /** JSON text of the argument array. */
  readonly args: string;
  readonly context: Omit<RequestContext, "requestId">;
}

export type JobResult = { readonly ok: true } | { readonly ok: false; readonly error: string };

export interface Finished {
  readonly document: JsonObject;
  /** For the function's log. */
  readonly warning?: string;
}

/**
 * What has to be done about a job that is due. `started`: somebody has begun to run it. `change`: it is not to be run
 * any more, and its document becomes this, or goes. `held`: it waits for the end of a pause.
 */
export type JobStep =
  | { readonly kind: "run"; readonly run: JobRun }
  | { readonly kind: "started"; readonly run: JobRun }
  | { readonly kind: "change"; readonly document: JsonObject | null }
  | { readonly kind: "held" }
  | { readonly kind: "over" };

/**
 * Rules of a system table whose documents are run when they are due (`engine/due-queue.ts`). Pure: documents in,
 * documents out.
 *
 *     pending ─ mutation: run, and finished in the same transaction ──────────────► over
 *        └───── action: started (a commit) ─ run ─ finished, or lost ──────────────► over
 */
export interface JobTable {
  step(document: JsonObject, table: TableRow, app: App | null, now: number): JobStep;
  started(document: JsonObject, now: number): JsonObject;
  finished(document: JsonObject, result: JobResult, now: number): Finished;
  /** What becomes of a run that fell into a pause of the deployment. Without it, it waits for the end of the pause. */
  missed?(document: JsonObject, now: number): JsonObject;
}

/** By name of the table. */
export type JobTables = ReadonlyMap<string, JobTable>;

export interface SystemContext {
  readonly runtime: RuntimeEnvironment;
  readonly deployment: Deployment;
  readonly transaction: Transaction;
  /** Milliseconds. */
  readonly now: number;
}

/** Everything it does is in the transaction. A `CodedError` rolls it back and goes to the caller. */
export type SystemMutation = (context: SystemContext, args: JsonObject) => Promise<JsonValue>;

/** What the backend itself runs in transactions. */
export interface SystemWork {
  readonly jobs: JobTables;
  readonly mutations: Readonly<Record<string, SystemMutation>>;
}

export const NO_SYSTEM_WORK: SystemWork = { jobs: new Map(), mutations: {} };
