import type { Caller, FunctionLogLine, UdfType } from "../../protocol/execution.ts";
import type { AuditEvent, ExecutionDescription, FunctionCompletion, LogRecord } from "../../protocol/function-log.ts";
import type { AboutDeployment } from "../../protocol/log-streams.ts";
import type { JsonObject } from "../../shared/json.ts";

/** Events of a log stream, as Convex documents them (docs/log-streams.md says what differs). */
export class StreamEvents {
  readonly #convex: JsonObject;

  constructor({ name, type, project }: AboutDeployment) {
    this.#convex = {
      deployment_name: name,
      deployment_type: type,
      project_name: project,
      project_slug: project.toLowerCase().replace(/[^a-z0-9]+/g, "-"),
    };
  }

  /** Lines come before the end of the execution that printed them. */
  ofRecord(record: LogRecord): readonly JsonObject[] {
    if (record.kind === "Progress") return this.#lines(record.progress, record.progress.logLines);
    const { completion } = record;
    return [...(printsAsItRuns(completion) ? [] : this.#lines(completion, completion.logLines)), this.#end(completion)];
  }

  ofAudit({ at, action, metadata }: AuditEvent): JsonObject {
    return {
      topic: "audit_log",
      timestamp: Math.floor(at),
      audit_log_action: action,
      audit_log_metadata: JSON.stringify(metadata),
      convex: this.#convex,
    };
  }

  #lines(execution: ExecutionDescription, lines: readonly FunctionLogLine[]): readonly JsonObject[] {
    return lines.map(({ level, messages, isTruncated, timestamp, code }) => ({
      topic: "console",
      timestamp: Math.floor(timestamp),
      function: functionOf(execution),
      log_level: level,
      message: messages.join(" "),
      is_truncated: isTruncated,
      ...(code !== undefined && { system_code: code }),
      convex: this.#convex,
    }));
  }

  #end(completion: FunctionCompletion): JsonObject {
    const { udfType, startedAt, duration, error, caller, occInfo, jobId } = completion;
    return {
      topic: "function_execution",
      timestamp: Math.floor(startedAt + duration),
      function: {
        ...functionOf(completion),
        ...(udfType === "Query" && { cached: completion.cachedResult === true }),
      },
      execution_time_ms: duration,
      status: error === null ? "success" : "failure",
      ...(error !== null && { error_message: error }),
      ...(udfType === "Mutation" && { mutation_retry_count: completion.retries ?? 0 }),
      run_reason: RUN_REASONS[caller],
      ...(occInfo && {
        occ_info: {
          table_name: occInfo.tableName,
          document_id: occInfo.documentId,
          write_source: occInfo.writeSource,
          retry_count: occInfo.retryCount,
        },
      }),
      ...(jobId !== undefined && { scheduler_info: { job_id: jobId } }),
      usage: usageOf(completion),
      convex: this.#convex,
    };
  }
}

/** Lines of actions are records of their own, while they run. */
function printsAsItRuns({ udfType }: FunctionCompletion): boolean {
  return udfType === "Action" || udfType === "HttpAction";
}

export const FUNCTION_TYPES: Readonly<Record<UdfType, string>> = {
  Query: "query",
  Mutation: "mutation",
  Action: "action",
  HttpAction: "http_action",
};

const RUN_REASONS: Readonly<Record<Caller, string>> = {
  HttpApi: "http_api",
  SyncWorker: "sync_worker",
  Action: "action",
  Scheduler: "scheduler",
  Cron: "cron",
  Tester: "tester",
  HttpEndpoint: "http_endpoint",
};

function functionOf({ udfType, identifier, requestId, componentPath }: ExecutionDescription): JsonObject {
  return {
    type: FUNCTION_TYPES[udfType],
    path: identifier,
    request_id: requestId,
    ...(componentPath !== null && { component_path: componentPath }),
  };
}

/** Only what is counted. What an action called has events of its own. */
function usageOf({ usage = {} }: FunctionCompletion): JsonObject {
  return {
    database_read_bytes: usage.databaseReadBytes ?? 0,
    database_write_bytes: usage.databaseWriteBytes ?? 0,
    database_read_documents: usage.databaseReadDocuments ?? 0,
    ...(usage.storageReadBytes !== undefined && { file_storage_read_bytes: usage.storageReadBytes }),
    ...(usage.storageWriteBytes !== undefined && { file_storage_write_bytes: usage.storageWriteBytes }),
  };
}
