import type { JsonObject, JsonValue } from "../shared/json.ts";
import type { Caller, FunctionLogLine, UdfType } from "./execution.ts";

/** What was run, shared by every log entry of one execution (`wire.md` §6.3). */
export interface ExecutionDescription {
  readonly udfType: UdfType;
  /** Null for the app itself. */
  readonly componentPath: string | null;
  /** `module:function` for display, or `<METHOD> <route>` of an HTTP action. */
  readonly identifier: string;
  readonly requestId: string;
  readonly executionId: string;
  /** Null for the execution a client asked for, else the one that called this. */
  readonly parentExecutionId: string | null;
}

/** Log lines of an action that is still running. */
export interface FunctionProgress extends ExecutionDescription {
  readonly logLines: readonly FunctionLogLine[];
}

export interface FunctionCompletion extends ExecutionDescription {
  /** All of them, those already reported as progress included. */
  readonly logLines: readonly FunctionLogLine[];
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Milliseconds. */
  readonly duration: number;
  /** Whole text without the request id, never redacted. Null when the function succeeded. */
  readonly error: string | null;
  readonly caller: Caller;
  readonly identityType: IdentityType;
  readonly environment: "isolate" | "node";
  readonly cachedResult?: boolean;
  /** An attempt that lost a conflict and will be run again. */
  readonly willRetry?: boolean;
  readonly occInfo?: OccInfo | null;
  /** HTTP actions only: `{status: "200"}`. */
  readonly success?: JsonValue;
  /** Milliseconds of JavaScript. */
  readonly userDuration?: number;
  readonly returnBytes?: number;
  readonly usage?: Partial<UsageStats>;
  /** Runs of this mutation that came before and were lost; absent: none. */
  readonly retries?: number;
  /** Job of the scheduler that this descends from. */
  readonly jobId?: string;
  /** Of a failure: the `tokenIdentifier` of the user it happened to, nothing else of their token. */
  readonly user?: string;
  /** The error is not the function's own. */
  readonly refused?: true;
}

/** What an admin changed. */
export interface AuditEvent {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly action: string;
  readonly metadata: JsonObject;
}

export type IdentityType = "user" | "unknown" | "instance_admin" | "system" | "member_acting_user" | "team_acting_user";

export interface OccInfo {
  readonly tableName: string | null;
  readonly documentId: string | null;
  readonly writeSource: string | null;
  readonly componentPath: string | null;
  readonly retryCount: number;
}

/** Bytes and counts of one execution. */
export interface UsageStats {
  readonly databaseReadBytes: number;
  readonly databaseWriteBytes: number;
  readonly databaseIoReadBytes: number;
  readonly databaseIoWriteBytes: number;
  readonly databaseReadDocuments: number;
  readonly databaseWriteDocuments: number;
  readonly databaseWriteIndexRows: number;
  readonly storageReadBytes: number;
  readonly storageWriteBytes: number;
  readonly vectorIndexReadBytes: number;
  readonly vectorIndexWriteBytes: number;
  readonly textIndexQueryBytes: number;
  readonly textIndexWriteQueryBytes: number;
  readonly vectorIndexReadQueryBytes: number;
  readonly vectorIndexWriteQueryBytes: number;
  readonly networkEgressBytes: number;
  readonly memoryUsedMb: number;
}

/** Port from whoever runs functions to whoever keeps their logs. Never throws, never waits. */
export interface ExecutionLog {
  progress(entry: FunctionProgress): void;
  completed(entry: FunctionCompletion): void;
}

export const NO_EXECUTION_LOG: ExecutionLog = { progress: () => {}, completed: () => {} };

export type LogRecord =
  | { readonly kind: "Progress"; readonly progress: FunctionProgress }
  | { readonly kind: "Completion"; readonly completion: FunctionCompletion };

/** `position`: milliseconds since the epoch at which the entry was collected, strictly increasing. */
export type LogEntry = LogRecord & { readonly position: number };

export interface LogRequest {
  /** Milliseconds since the epoch, as an earlier batch gave it. */
  readonly cursor: number;
  /** Milliseconds for which a poll with nothing to tell is held open. */
  readonly holdMs: number;
  readonly only?: LogFilter;
}

export interface LogFilter {
  readonly completions?: boolean;
  /** Without log lines and without the texts of errors, for whoever counts. */
  readonly bare?: boolean;
  /** The execution a client asked for under this request id, without what it called. */
  readonly requestId?: string;
}

export interface LogBatch {
  readonly entries: readonly LogEntry[];
  readonly newCursor: number;
}
