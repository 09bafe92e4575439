import type { FunctionPath } from "./function-path.ts";
import type { Identity } from "./identity.ts";
import type { JsonValue } from "../shared/json.ts";
import type { SystemCall } from "./system-call.ts";
import type { LogLine } from "./invocation.ts";

export type UdfType = "Query" | "Mutation" | "Action" | "HttpAction";

export type Caller = "HttpApi" | "SyncWorker" | "Action" | "Scheduler" | "Cron" | "Tester" | "HttpEndpoint";

/** What every execution of one request shares; nested calls inherit it (`abi.md` §2.3.2). */
export interface RequestContext {
  /** 16 lower-case hex digits, or the caller's `Convex-Request-Id`. */
  readonly requestId: string;
  readonly ip: string | null;
  readonly userAgent: string | null;
  /** Id of the scheduled job this run descends from. */
  readonly scheduledFunctionId: string | null;
  /** Component whose table that job is in; absent: the app itself. */
  readonly scheduledFunctionComponent?: string;
  readonly caller: Caller;
  /** Id of the execution that made this call; absent for what a client or the backend itself asked for. */
  readonly parentExecutionId?: string;
}

/** Who may see what: public callers see public functions only, `internal` is what server-side code may call. */
export type Visibility = "public" | "internal";

export interface FunctionCall {
  readonly path: FunctionPath;
  /** ConvexJSON text: an array of positional arguments (modern code: one object). */
  readonly args: string;
  readonly identity: Identity;
  readonly context: RequestContext;
  readonly visibility: Visibility;
}

/** A mutation on its way to the Transactor. Shapes that cross RPC carry a version: old objects meet new Workers. */
export interface MutationCall extends FunctionCall {
  readonly v: 1;
  /** Present when the client may send the same mutation again. */
  readonly idempotency: Idempotency | null;
  /**
   * Key of the job that this call is. Its end is recorded in the call's own transaction, a failed one too; nothing is
   * run when the job is not to be run any more.
   */
  readonly job?: string;
}

export interface Idempotency {
  readonly sessionId: string;
  readonly requestId: string;
  /**
   * True when the caller knows that this request was never sent before, e.g. on the first connection of a session or
   * in a first attempt. It saves the look-up of a recorded outcome.
   */
  readonly fresh?: boolean;
}

/** A log line with the nested function it came from, if any. */
export interface FunctionLogLine extends LogLine {
  readonly componentPath?: string;
  readonly udfPath?: string;
}

/** A failure that belongs to the developer. `message` is the whole text: message, then source-mapped frames. */
export interface FunctionFailure {
  readonly message: string;
  /** ConvexJSON text of a ConvexError's data. */
  readonly data?: string;
}

export type FunctionOutcome =
  | {
      readonly ok: true;
      /** ConvexJSON text. */
      readonly value: string;
      readonly logLines: readonly FunctionLogLine[];
      /** Commit timestamp of a mutation, snapshot of a query; microseconds. */
      readonly ts?: number;
      /** Journal of a query that paginated. */
      readonly journal?: string | null;
    }
  | {
      readonly ok: false;
      readonly error: FunctionFailure;
      readonly logLines: readonly FunctionLogLine[];
      readonly journal?: string | null;
    };

/** Port from `runtime` to whoever owns commit order. Throws `CodedError` for what is not the function's own failure. */
export interface Committer {
  runMutation(call: MutationCall): Promise<FunctionOutcome>;
  /** A change of the backend's own. Never from outside. */
  runSystem(call: SystemCall): Promise<JsonValue>;
}
