import type { Transaction } from "../../engine/transaction.ts";
import type { FunctionCall, FunctionLogLine, FunctionOutcome, UdfType } from "../../protocol/execution.ts";
import type {
  ExecutionDescription,
  ExecutionLog,
  FunctionCompletion,
  IdentityType,
  UsageStats,
} from "../../protocol/function-log.ts";
import type { Identity } from "../../protocol/identity.ts";
import { toHex } from "../../shared/bytes.ts";
import type { Clock } from "../../shared/clock.ts";
import { CodedError } from "../../shared/coded-error.ts";
import type { Random } from "../../shared/random.ts";
import { displayPath } from "../../values/function-path.ts";

interface ExecutionParts {
  readonly executions: ExecutionLog;
  readonly clock: Clock;
  readonly random: Random;
}

export interface ExecutionResult {
  readonly usage?: Partial<UsageStats>;
  readonly cachedResult?: boolean;
  /** Of HTTP actions. */
  readonly success?: { readonly status: string };
}

/** One execution on its way into the function log. Made when it begins; ends with `completed` or `failed`, once. */
export class Execution {
  readonly id: string;
  /** Where it runs, once its function was found. */
  environment: "isolate" | "node" = "isolate";
  readonly #parts: ExecutionParts;
  readonly #call: FunctionCall;
  readonly #description: ExecutionDescription;
  readonly #startedAt: number;
  /** Lines already told as progress. */
  #told = 0;

  constructor(parts: ExecutionParts, call: FunctionCall, udfType: UdfType, identifier = displayPath(call.path)) {
    this.#parts = parts;
    this.#call = call;
    this.#startedAt = parts.clock.now();
    this.id = uuid(parts.random);
    this.#description = {
      udfType,
      componentPath: call.path.component === "" ? null : call.path.component,
      identifier,
      requestId: call.context.requestId,
      executionId: this.id,
      parentExecutionId: call.context.parentExecutionId ?? null,
    };
  }

  /** Lines of an action, as it prints them. Each makes an entry. */
  progress(lines: readonly FunctionLogLine[]): void {
    this.#told += lines.length;
    for (const line of lines) this.#parts.executions.progress({ ...this.#description, logLines: [line] });
  }

  completed(outcome: FunctionOutcome, result: ExecutionResult = {}): void {
    const { udfType } = this.#description;
    const isAction = udfType === "Action" || udfType === "HttpAction";
    if (isAction) this.progress(outcome.logLines.slice(this.#told));
    this.#parts.executions.completed(this.completion(outcome, result));
  }

  /** There is no outcome: the call was refused, or the backend failed. */
  failed(error: unknown): void {
    this.#parts.executions.completed(this.failure(error));
  }

  completion(outcome: FunctionOutcome, { usage, cachedResult, success }: ExecutionResult = {}): FunctionCompletion {
    const { caller, scheduledFunctionId } = this.#call.context;
    return {
      ...this.#description,
      logLines: outcome.logLines,
      startedAt: this.#startedAt,
      duration: this.#parts.clock.now() - this.#startedAt,
      error: outcome.ok ? null : outcome.error.message,
      caller,
      identityType: identityType(this.#call.identity),
      environment: this.environment,
      ...(outcome.ok && { returnBytes: outcome.value.length }),
      ...(usage && { usage }),
      ...(cachedResult === true && { cachedResult }),
      ...(success && { success }),
      ...(scheduledFunctionId !== null && { jobId: scheduledFunctionId }),
      ...(!outcome.ok && userOf(this.#call.identity)),
    };
  }

  /** A bug of ours is logged elsewhere, whole; developers are told that there was one. */
  failure(error: unknown): FunctionCompletion {
    const message = error instanceof CodedError ? error.message : "InternalServerError";
    return { ...this.completion({ ok: false, error: { message }, logLines: [] }), refused: true };
  }
}

/** What a transaction read and wrote, nested calls included. */
export function usageOf(transaction: Transaction): Partial<UsageStats> {
  const { bytesRead, bytesWritten, documentsRead, documentsWritten, fileReadBytes, fileWriteBytes } =
    transaction.metrics();
  return {
    databaseReadBytes: bytesRead.used,
    databaseIoReadBytes: bytesRead.used,
    databaseReadDocuments: documentsRead.used,
    databaseWriteBytes: bytesWritten.used,
    databaseIoWriteBytes: bytesWritten.used,
    databaseWriteDocuments: documentsWritten.used,
    storageReadBytes: fileReadBytes.used,
    storageWriteBytes: fileWriteBytes.used,
  };
}

function identityType(identity: Identity): IdentityType {
  switch (identity.kind) {
    case "none":
      return "unknown";
    case "user":
      return "user";
    case "admin":
      return identity.actingAs === null ? "instance_admin" : "member_acting_user";
    case "system":
      return "system";
    default:
      return identity satisfies never;
  }
}

function userOf(identity: Identity): { readonly user?: string } {
  const attributes =
    identity.kind === "user" ? identity.attributes : identity.kind === "admin" ? identity.actingAs : null;
  const user = attributes?.["tokenIdentifier"];
  return typeof user === "string" ? { user } : {};
}

/** Version 4. */
function uuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = toHex(bytes).toLowerCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
