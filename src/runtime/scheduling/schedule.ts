import { SCHEDULED_FUNCTIONS } from "../../engine/due-queue.ts";
import type { InternalId } from "../../engine/names.ts";
import type { TableRow } from "../../engine/persistence.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { RequestContext } from "../../protocol/execution.ts";
import type { FunctionPath } from "../../protocol/function-path.ts";
import { CodedError, badRequest } from "../../shared/coded-error.ts";
import type { JsonObject } from "../../shared/json.ts";
import { checkConvexJson } from "../../values/convex-json.ts";
import { decodeDocumentId } from "../../values/document-id.ts";
import { isPlainObject } from "../../values/special-value.ts";
import type { App } from "../code/app.ts";
import { type FunctionHandles, resolveAddress } from "../functions/reference.ts";
import type { SyscallArguments } from "../syscalls/arguments.ts";
import { canceled, isUnfinished, newJob, stateKind } from "./scheduled-function.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const HORIZON_MS = 5 * 366 * DAY_MS;

/** Who schedules or cancels, in which transaction. */
export interface Scheduling {
  readonly transaction: Transaction;
  readonly component: string;
  readonly app: App;
  readonly handles: FunctionHandles;
  /** The scheduled function that the caller is, or was called by. */
  readonly parent: Pick<RequestContext, "scheduledFunctionId" | "scheduledFunctionComponent">;
  /** Milliseconds. */
  readonly now: number;
}

/** Writes the job's document. Returns its id. Checked here: that the function exists, the time, the limits (P-S-2). */
export async function scheduleFunction(scheduling: Scheduling, args: SyscallArguments): Promise<string> {
  const { transaction, component, app, handles, now } = scheduling;
  args.checkVersion();
  const path = await resolveAddress(app, component, args, handles);
  checkExists(app, path);
  const scheduledTime = timeOf(args, now);
  const { value, size } = argumentsOf(args);
  transaction.chargeScheduled(size);
  const job = newJob({ component, path, args: value, scheduledTime });
  const isCanceled = await parentIsCanceled(scheduling);
  const table = transaction.systemTable(component, SCHEDULED_FUNCTIONS);
  return transaction.system.insert(table, isCanceled ? canceled(job, now) : job);
}

/** What is over stays as it is. `ownJob`: the scheduled mutation that this transaction is. */
export async function cancelFunction(
  { transaction, component, now }: Pick<Scheduling, "transaction" | "component" | "now">,
  args: SyscallArguments,
  ownJob: string | null,
): Promise<"canceled" | "over" | "itself"> {
  const text = args.string("id");
  const found = jobOf(transaction, component, text);
  if (found === null) {
    await transaction.pin();
    throw invalidId();
  }
  if (text === ownJob) return "itself";
  const job = await transaction.system.get(found.table, found.id);
  if (job === null || !isUnfinished(job)) return "over";
  await transaction.system.replace(found.table, found.id, canceled(job, now));
  return "canceled";
}

async function parentIsCanceled({ transaction, parent }: Scheduling): Promise<boolean> {
  const { scheduledFunctionId, scheduledFunctionComponent = "" } = parent;
  if (scheduledFunctionId === null) return false;
  const found = jobOf(transaction, scheduledFunctionComponent, scheduledFunctionId);
  const job = found === null ? null : await transaction.system.get(found.table, found.id);
  return job !== null && stateKind(job) === "canceled";
}

function jobOf(
  transaction: Transaction,
  component: string,
  text: string,
): { readonly table: TableRow; readonly id: InternalId } | null {
  const table = transaction.tables.named(component, SCHEDULED_FUNCTIONS);
  if (table === null) return null;
  try {
    const { tableNumber, internalId } = decodeDocumentId(text);
    // A decoded id holds an internal one.
    return tableNumber === table.number ? { table, id: internalId as InternalId } : null;
  } catch (error) {
    if (error instanceof CodedError) return null;
    throw error;
  }
}

/** E-B-8. */
function checkExists(app: App, path: FunctionPath): void {
  const component = app.component(path.component);
  const place = path.component === "" ? "" : `${path.component} `;
  if (component === undefined || !Object.hasOwn(component.modules, path.module)) {
    throw badRequest(
      "InvalidScheduledFunction",
      `Attempted to schedule function at nonexistent path: ${place}${path.module}`,
    );
  }
  if (app.resolve(path) !== null) return;
  const where = path.component === "" ? "" : ` in component ${path.component}`;
  throw badRequest(
    "InvalidScheduledFunction",
    `Attempted to schedule function, but no exported function ${path.function} found in the file: ${path.module}${where}. ` +
      "Did you forget to export it?",
  );
}

/** Seconds on the wire; kept to the microsecond, so that a whole number of milliseconds stays one. */
function timeOf(args: SyscallArguments, now: number): number {
  const seconds = args.value("ts");
  if (typeof seconds !== "number") throw args.invalid("ts", "expected a number");
  const time = Math.round(seconds * 1e6) / 1e3;
  if (time - now > HORIZON_MS) throw invalidDelay(`${displayTime(time)} is more than 5 years in the future`);
  if (now - time > HORIZON_MS) throw invalidDelay(`${displayTime(time)} is more than 5 years in the past`);
  return time;
}

function displayTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}

function argumentsOf(args: SyscallArguments): { readonly value: JsonObject; readonly size: number } {
  const given = args.value("args") ?? {};
  // Early versions of the npm package send a list of one.
  const json = Array.isArray(given) && given.length === 1 ? given[0] : given;
  const { value, size, hasCommitTs } = args.check("args", () => checkConvexJson(json));
  if (!isPlainObject(value)) throw args.invalid("args", "expected an object");
  if (hasCommitTs) throw args.invalid("args", "an unresolved commit timestamp can't be passed to a scheduled function");
  return { value, size };
}

function invalidDelay(message: string): CodedError {
  return badRequest("InvalidScheduledFunctionDelay", message);
}

function invalidId(): CodedError {
  return badRequest(
    "InvalidArgument",
    "Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table.",
  );
}
