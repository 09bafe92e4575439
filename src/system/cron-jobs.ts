import { convexToJson, type Value, v } from "convex/values";
import { allDocuments } from "../engine/all-documents.ts";
import { CRON_JOBS } from "../engine/due-queue.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../shared/json.ts";
import { canonicalPath, parseFunctionPath } from "../values/function-path.ts";
import { adminQuery, type SystemContext } from "./system-query.ts";

/** Every cron job of the component, by name, with its last run and its next one. */
export const listCronJobs = adminQuery({}, async (context) => {
  const jobs = await cronJobs(context);
  return JSON.stringify(
    convexToJson(
      jobs.map((job): Value => {
        const [lastRun] = runsOf(job);
        return {
          _id: text(job["_id"]),
          _creationTime: number(job["_creationTime"]),
          name: text(job["name"]),
          cronSpec: specOf(job),
          lastRun: lastRun === undefined ? null : runOf(job, lastRun),
          nextRun: {
            cronJobId: text(job["_id"]),
            state: { type: text(object(job["state"])["kind"]) },
            prevTs: lastRun === undefined ? null : nanoseconds(lastRun["scheduledTime"]),
            nextTs: nanoseconds(job["nextRun"]),
          },
        };
      }),
    ),
  );
});

/** The last runs of one cron job, newest first. */
export const listCronJobRuns = adminQuery({ cronId: v.string() }, async (context, { cronId }) => {
  const job = (await cronJobs(context)).find((one) => one["_id"] === cronId);
  return JSON.stringify(convexToJson(job === undefined ? [] : runsOf(job).map((run) => runOf(job, run))));
});

async function cronJobs({ transaction, component }: SystemContext): Promise<readonly JsonObject[]> {
  const table = transaction.tables.named(component, CRON_JOBS);
  const documents = table === null ? [] : (await allDocuments(transaction, table)).map(({ document }) => document);
  return documents.toSorted((a, b) => (text(a["name"]) < text(b["name"]) ? -1 : 1));
}

function runsOf({ runs }: JsonObject): readonly JsonObject[] {
  return Array.isArray(runs) ? runs.filter(isJsonObject) : [];
}

function runOf(job: JsonObject, run: JsonObject): Value {
  const state = object(run["state"]);
  const scheduled = number(run["scheduledTime"]);
  return {
    name: text(job["name"]),
    ts: nanoseconds(scheduled),
    udfPath: pathOf(job),
    udfArgs: argsOf(job),
    status: state["kind"] === "failed" ? { type: "err", error: text(state["error"]) } : { type: "success" },
    skippedRuns: BigInt(number(run["skipped"])),
    logLines: { logLines: [], isTruncated: false },
    executionTime: (number(run["completedTime"]) - scheduled) / 1000,
  };
}

function specOf(job: JsonObject): Value {
  const schedule = object(object(job["spec"])["schedule"]);
  const { type, cron, ...rest } = schedule;
  const numbers = type === "interval" ? { seconds: secondsOf(rest) } : rest;
  const fields = Object.entries(numbers).map(([name, value]): [string, Value] => [
    name,
    typeof value === "number" ? BigInt(value) : text(value),
  ]);
  return {
    udfPath: pathOf(job),
    udfArgs: argsOf(job),
    cronSchedule: {
      type: text(type),
      ...(typeof cron === "string" ? { cronExpr: cron } : {}),
      ...Object.fromEntries(fields),
    },
  };
}

/** Of an interval, whatever unit the developer gave it in. */
function secondsOf({ hours, minutes, seconds }: JsonObject): number {
  return number(hours) * 3600 + number(minutes) * 60 + number(seconds);
}

/** As `apiSpec` identifies the function. */
function pathOf(job: JsonObject): string {
  return canonicalPath(parseFunctionPath(text(object(job["spec"])["name"])));
}

/** JSON text in bytes, as the dashboard reads it. */
function argsOf(job: JsonObject): ArrayBuffer {
  return Uint8Array.from(new TextEncoder().encode(JSON.stringify(object(job["spec"])["args"] ?? []))).buffer;
}

function nanoseconds(ms: JsonValue | undefined): bigint {
  return BigInt(Math.round(number(ms) * 1000)) * 1000n;
}

function number(value: JsonValue | undefined): number {
  return typeof value === "number" ? value : 0;
}

function text(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function object(value: JsonValue | undefined): JsonObject {
  return value !== undefined && isJsonObject(value) ? value : {};
}
