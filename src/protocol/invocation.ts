import type { ExportedFunction } from "../values/exported-functions.ts";
import type { ThrownValue } from "../values/thrown-value.ts";

/**
 * What crosses between the host and the harness in a user isolate. Everything is JSON text in both directions: an
 * undisposed object result would keep a Durable Object from hibernating (`platform.md` §1.2), and errors thrown
 * across RPC lose their data and stack. Nothing here is trusted: user code shares the isolate with the harness,
 * so the rights of a call are those of the capability object it was given, never of a field below.
 */

export type FunctionKind = "query" | "mutation" | "action" | "httpAction";

/** How to find the function inside the isolate. */
export interface FunctionTarget {
  /** Component instance, `""` for the app. Chooses `process.env`. */
  readonly component: string;
  /** Key of the module in the isolate's module table, e.g. `"app/dir/messages.js"`. */
  readonly module: string;
  /** Canonical path for error texts, e.g. `"dir/messages.js"`. */
  readonly path: string;
  readonly export: string;
}

export interface Invocation {
  readonly kind: FunctionKind;
  readonly target: FunctionTarget;
  /** JSON text of the argument array in ConvexJSON. Of an HTTP action: `[path within its component]` or `[]`. */
  readonly args: string;
  readonly requestId: string;
  /** Milliseconds, start of the execution. Queries and mutations see this constant time; actions see the real clock. */
  readonly now: number;
  /** 32 hex digits: seeds `Math.random` and `crypto.getRandomValues` of queries and mutations. */
  readonly seed: string;
  /** Nanoseconds as decimal text, for `getSnapshotTs`; absent while the snapshot is not pinned. */
  readonly snapshotTs?: string;
  /** Version of the table map that `normalizeId` and friends need; see `TableMap`. */
  readonly tablesVersion: string;
  readonly limits: InvocationLimits;
}

export interface InvocationLimits {
  /** JavaScript time of a query or mutation, ms, time waiting for syscalls excluded. */
  readonly userTimeMs: number;
  /** Pending syscalls and fetches of one action; the next one is E-C-6. */
  readonly concurrentOperations: number;
  /** Bytes of buffers and other large allocations counted by the prelude (E-C-5). */
  readonly memoryBytes: number;
  /** Of a call to another function; checked by the host, and known here for what cannot be sent. */
  readonly argumentBytes: number;
  readonly logLines: number;
  readonly logLineBytes: number;
  /** What follows the error text of each limit: the setting's name, or nothing. */
  readonly notes: Readonly<Record<"userTimeMs" | "concurrentOperations" | "memoryBytes" | "logLines", string>>;
}

/** Table names to numbers of every component, for the synchronous `1.0/db/normalizeId`. */
export interface TableMap {
  readonly version: string;
  readonly tables: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export type LogLevel = "DEBUG" | "INFO" | "LOG" | "WARN" | "ERROR";

export interface LogLine {
  readonly level: LogLevel;
  readonly messages: readonly string[];
  readonly isTruncated: boolean;
  /** Milliseconds since the epoch, real clock. */
  readonly timestamp: number;
  readonly code?: string;
  /** `console.trace`: frames as V8 wrote them. The host maps them and makes them the last message. */
  readonly stack?: string;
}

/** An error as thrown by user code, frames not yet source-mapped. */
export interface ThrownError extends ThrownValue {
  /** A failure of the function that user code could not have caught: time-out, memory, forbidden API. */
  readonly fatal?: "timeout" | "memory" | "forbidden" | "neverResolves";
}

export type InvocationResult =
  | {
      readonly ok: true;
      /** ConvexJSON text. */
      readonly value: string;
      readonly logs: readonly LogLine[];
      readonly calls: NestedCalls;
      readonly observed: Observed;
      /** JavaScript time of a query or mutation, ms. */
      readonly userTimeMs: number;
      /** Names of operations still pending when an action's handler returned (E-C-8). */
      readonly unawaited?: readonly string[];
    }
  | {
      readonly ok: false;
      readonly error: ThrownError;
      readonly logs: readonly LogLine[];
      readonly calls: NestedCalls;
      readonly observed: Observed;
    }
  /** `getSnapshotTs` was called before any read: the host pins a snapshot and runs the query again. */
  | { readonly ok: "needsSnapshot" };

/** For each `1.0/runUdf` in the order of the calls: how many of `logs` were printed before it. */
export type NestedCalls = readonly number[];

/** What the function looked at, for the query cache. */
export interface Observed {
  readonly time: boolean;
  readonly randomness: boolean;
}

/**
 * One syscall on the wire: operation name and its JSON argument text, as the `convex` package passed them.
 * The harness sends all syscalls of a microtask turn in one batch; the host answers in order (`abi.md` §2.1.5).
 */
export type SyscallRequest = readonly [op: string, args: string];

/** JSON text of the result, or the error to reject with. `data` is ConvexJSON text. */
export type SyscallResponse =
  | { readonly ok: true; readonly result: string }
  | { readonly ok: false; readonly message: string; readonly data?: string };

/**
 * The capability passed with a call. An `RpcTarget` on the host's side; it holds just the rights of that call.
 * A batch may end in a failure of the whole execution (not catchable by user code): then the promise never settles
 * for user code and the host answers the caller itself.
 */
export interface HostCapability {
  /** `batch` is JSON text of `SyscallRequest[]`; the answer JSON text of `SyscallResponse[]`. */
  syscalls(batch: string): Promise<string>;
  /** JSON text of a `TableMap`. */
  tables(): Promise<string>;
  /** Actions only: JSON text of `LogLine[]`, sent as they are printed. */
  log(lines: string): Promise<void>;
  /** HTTP actions only: the last byte and the last line of a response that streams have been sent. */
  finished(): Promise<void>;
  /** HTTP actions only: true as soon as the client hangs up, false when the action has ended. */
  disconnected(): Promise<boolean>;
  /**
   * Actions only: `blob` is JSON text of a `BlobHead`, the answer JSON text of a `SyscallResponse` whose result is the
   * storage id.
   */
  storeBlob(blob: string, bytes: ReadableStream<Uint8Array>): Promise<string>;
  /** Actions only. The result of the `SyscallResponse` is a `BlobHead`, or null as `bytes` are then. */
  getBlob(storageId: string): Promise<{
    /** JSON text of a `SyscallResponse`. */
    readonly answer: string;
    readonly bytes: ReadableStream<Uint8Array> | null;
  }>;
}

/** What goes with the bytes of a blob, which are a stream: they may be more than one message carries. */
export interface BlobHead {
  readonly size: number;
  readonly contentType: string | null;
  /** In base64: what the hash of bytes to be stored has to be. */
  readonly sha256: string | null;
}

/**
 * Operations between harness and host besides those of `abi.md` §2.
 *
 * `convection/queryPage` `{queryId, query?, consumed, limit}` → `{rows: ConvexJSON[], done}`: the next documents of
 * a stream. The first request of a stream carries its query JSON. `consumed` = rows of the previous page that user
 * code took; the host drops the others and continues behind the last consumed one, so a write between two
 * `next()` calls is seen exactly as if every row were fetched alone.
 * A page with `done` does not free the stream: a write may follow, and then the rest is asked for again.
 * `convection/queryCleanup` `{queryId, consumed}` → `true`: user code takes no more rows of this stream. Sent only for
 * a stream that was left before its end.
 */
export const STREAM_PAGE = "convection/queryPage";
export const STREAM_CLEANUP = "convection/queryCleanup";

/** What the isolate's `env` holds: constant per loader id. */
export interface IsolateEnv {
  /** Environment variables per component, `CONVEX_CLOUD_URL` and `CONVEX_SITE_URL` included. */
  readonly variables: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Import-phase determinism (`abi.md` §5.2): 32 hex digits and milliseconds. */
  readonly importSeed: string;
  readonly importTime: number;
  readonly runtime: "database" | "action";
}

export interface RequestHead {
  readonly url: string;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  /** Whether there is a body, which may be empty. */
  readonly body: boolean;
}

export interface ResponseHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: boolean;
  /** Lines that were not sent before. */
  readonly logs: readonly LogLine[];
}

/** The RPC surface of the harness, a `WorkerEntrypoint` named `Harness`. */
export interface Harness {
  /** `invocation` is JSON text of an `Invocation`, the answer JSON text of an `InvocationResult`. */
  run(invocation: string, host: HostCapability): Promise<string>;
  /**
   * Runs an HTTP action. `request`: whole, as a frame (`shared/frame.ts`) of a `RequestHead` and the body, or one whose
   * body streams. The answer is a frame of a `ResponseHead` and the body when that is short and complete, a response
   * whose body streams otherwise, and the JSON text of an `InvocationResult` when the action failed before there was one.
   */
  serve(
    invocation: string,
    request: Uint8Array<ArrayBuffer> | Request,
    host: HostCapability,
  ): Promise<string | Uint8Array<ArrayBuffer> | Response>;
  /** JSON text of an `AnalyzeRequest`; the answer JSON text of an `AnalyzeResult`. Only in a throw-away isolate. */
  analyze(request: string): Promise<string>;
}

export type AnalyzeRequest =
  | { readonly kind: "modules"; readonly modules: readonly { readonly module: string; readonly path: string }[] }
  /** Evaluates the default export's `export()` of a schema or component definition, or `providers` of an auth config. */
  | { readonly kind: "schema"; readonly module: string }
  | { readonly kind: "authConfig"; readonly module: string }
  | { readonly kind: "definition"; readonly module: string };

export interface AnalyzedModule {
  readonly path: string;
  readonly functions: readonly ExportedFunction[];
  /** Routes of a root `http.js`: `[path or "prefix*", method]`. */
  readonly httpRoutes: readonly (readonly [string, string])[] | null;
  /** JSON text of `crons.export()` of a root `crons.js`. */
  readonly crons: string | null;
}

export type AnalyzeResult =
  | { readonly ok: true; readonly modules: readonly AnalyzedModule[] }
  /** JSON text of what `export()` returned. */
  | { readonly ok: true; readonly exported: string }
  /** `module` = the failing module. `error` is as thrown; `text` when the harness itself found the mistake. */
  | {
      readonly ok: false;
      readonly path: string;
      readonly error: ThrownError;
      readonly logs: readonly LogLine[];
      readonly text?: string;
    };
