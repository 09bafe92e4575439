import { Hono } from "hono";
import type { FunctionLogLine } from "../protocol/execution.ts";
import type {
  ExecutionDescription,
  FunctionCompletion,
  LogEntry,
  LogFilter,
  UsageStats,
} from "../protocol/function-log.ts";
import { badRequest } from "../shared/coded-error.ts";
import { toHex } from "../shared/bytes.ts";
import { adminOf } from "./credentials.ts";
import type { HttpContext, HttpEnv } from "./hono-env.ts";
import { logLineText } from "../runtime/functions/outcome-text.ts";
import type { HttpServices } from "./services.ts";

/** Clients that print the parts of a log line themselves; all others get its text. */
const STRUCTURED_CLIENTS: ReadonlySet<string> = new Set(["npm-cli", "dashboard"]);

/** Long polls of `wire.md` §6, for `npx convex logs`, `convex dev` and the dashboard. */
export function logRoutes(services: HttpServices): Hono<HttpEnv> {
  const { logs, settings } = services;
  const app = new Hono<HttpEnv>();

  for (const base of ["", "/app_metrics"]) {
    app.get(`${base}/stream_function_logs`, async (c) => {
      await adminOf(c, services);
      const only = await clientFilter(c);
      const batch = await logs.read({ cursor: cursorOf(c), holdMs: settings.logHoldMs, ...(only && { only }) });
      const line = STRUCTURED_CLIENTS.has(c.get("client")?.client ?? "") ? structuredLine : logLineText;
      return c.json({ entries: batch.entries.map((entry) => entryJson(entry, line)), newCursor: batch.newCursor });
    });

    app.get(`${base}/stream_udf_execution`, async (c) => {
      await adminOf(c, services);
      const only = { completions: true };
      const batch = await logs.read({ cursor: cursorOf(c), holdMs: settings.logHoldMs, only });
      const entries = batch.entries.flatMap((entry) =>
        entry.kind === "Completion" ? [completionJson(entry.completion, entry.completion.logLines, logLineText)] : [],
      );
      return c.json({ entries, newCursor: batch.newCursor });
    });
  }
  return app;
}

function cursorOf(c: HttpContext): number {
  const text = c.req.query("cursor") ?? "";
  const cursor = Number(text);
  if (text.trim() === "" || !Number.isFinite(cursor)) throw badRequest("BadCursor", `Invalid log cursor ${text}`);
  return cursor;
}

/** What one browser tab asked for: its request ids are derived from its session (`wire.md` §1.3). */
async function clientFilter(c: HttpContext): Promise<LogFilter | null> {
  const sessionId = c.req.query("sessionId");
  const counter = c.req.query("clientRequestCounter");
  if (sessionId === undefined || counter === undefined) return null;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${sessionId}|${counter}`));
  return { requestId: toHex(new Uint8Array(digest).subarray(0, 8)).toLowerCase() };
}

type LineWriter = (line: FunctionLogLine) => unknown;

function entryJson(entry: LogEntry, line: LineWriter): unknown {
  if (entry.kind === "Completion") {
    const { completion } = entry;
    // The lines of actions were sent while they ran.
    const sent = completion.udfType === "Action" || completion.udfType === "HttpAction";
    return completionJson(completion, sent ? [] : completion.logLines, line);
  }
  return {
    kind: "Progress",
    ...descriptionJson(entry.progress),
    timestamp: entry.position / 1000,
    logLines: entry.progress.logLines.map(line),
  };
}

function completionJson(completion: FunctionCompletion, lines: readonly FunctionLogLine[], line: LineWriter): unknown {
  return {
    kind: "Completion",
    ...descriptionJson(completion),
    logLines: lines.map(line),
    timestamp: (completion.startedAt + completion.duration) / 1000,
    cachedResult: completion.cachedResult ?? false,
    caller: completion.caller,
    parentExecutionId: completion.parentExecutionId,
    executionTime: completion.duration / 1000,
    userExecutionTime: completion.userDuration === undefined ? null : completion.userDuration / 1000,
    success: completion.success ?? null,
    error: completion.error,
    usageStats: { ...NO_USAGE, ...completion.usage },
    returnBytes: completion.returnBytes ?? null,
    occInfo: completion.occInfo ?? null,
    willRetry: completion.willRetry ?? false,
    executionTimestamp: completion.startedAt / 1000,
    identityType: completion.identityType,
    environment: completion.environment,
  };
}

function descriptionJson(description: ExecutionDescription): Omit<ExecutionDescription, "parentExecutionId"> {
  const { udfType, componentPath, identifier, requestId, executionId } = description;
  return { udfType, componentPath, identifier, requestId, executionId };
}

function structuredLine(line: FunctionLogLine): unknown {
  const { messages, isTruncated, timestamp, level, code, componentPath, udfPath } = line;
  return {
    messages,
    isTruncated,
    timestamp: Math.floor(timestamp),
    level,
    systemMetadata: code === undefined ? null : { code },
    ...(componentPath !== undefined && { componentPath }),
    ...(udfPath !== undefined && { udfPath }),
  };
}

const NO_USAGE: UsageStats = {
  databaseReadBytes: 0,
  databaseWriteBytes: 0,
  databaseIoReadBytes: 0,
  databaseIoWriteBytes: 0,
  databaseReadDocuments: 0,
  databaseWriteDocuments: 0,
  databaseWriteIndexRows: 0,
  storageReadBytes: 0,
  storageWriteBytes: 0,
  vectorIndexReadBytes: 0,
  vectorIndexWriteBytes: 0,
  textIndexQueryBytes: 0,
  textIndexWriteQueryBytes: 0,
  vectorIndexReadQueryBytes: 0,
  vectorIndexWriteQueryBytes: 0,
  networkEgressBytes: 0,
  memoryUsedMb: 0,
};
