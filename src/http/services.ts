import type { NodeSyscallRequest } from "../protocol/node-actions.ts";
import type { SyscallResponse } from "../protocol/invocation.ts";
import type { SigningKeys } from "../signing/keys.ts";
import type { NonceStore } from "../signing/nonces.ts";
import type { AdminKeys } from "../auth/admin-key.ts";
import type { TokenVerifier } from "../auth/token-verifier.ts";
import type { Timestamp } from "../engine/timestamp.ts";
import type { Downloads } from "../files/downloads.ts";
import type { Uploads } from "../files/uploads.ts";
import type { FunctionCall, FunctionOutcome, MutationCall, UdfType } from "../protocol/execution.ts";
import type { LogBatch, LogRequest } from "../protocol/function-log.ts";
import type { EnvironmentChange } from "../protocol/http-bodies.ts";
import type { Identity } from "../protocol/identity.ts";
import type { HttpActionAnswer, IncomingRequest } from "../runtime/functions/http-action-run.ts";
import type { HttpActionCall } from "../runtime/functions/http-action-runner.ts";
import type { TestFunctionCall } from "../runtime/functions/test-function.ts";
import type { StreamingExport } from "../transfer/streaming-export.ts";
import type { JobsToCancel } from "../system/cancel-jobs.ts";
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import type { Random } from "../shared/random.ts";
import type { TransferService as Transfers } from "../transfer/transfer-service.ts";

/**
 * Runs functions. A failure that belongs to the developer (the function threw, does not exist, has another type,
 * got wrong arguments) is an outcome; a `CodedError` is thrown for everything that is not about this function.
 */
export interface FunctionService {
  /** At `at`, or else at a snapshot not older than any acknowledged commit. */
  runQuery(call: FunctionCall, at?: Timestamp): Promise<FunctionOutcome>;
  runMutation(call: MutationCall): Promise<FunctionOutcome>;
  runAction(call: FunctionCall): Promise<FunctionOutcome>;
  /** By the function's own type. An unknown one fails with `Could not find function for '…'`. */
  runAny(call: FunctionCall): Promise<AnyOutcome>;
  /** All at one snapshot, outcomes in order. */
  queryBatch(calls: readonly FunctionCall[]): Promise<readonly FunctionOutcome[]>;
  /** Not older than any acknowledged commit. */
  latestTs(): Promise<Timestamp>;
}

export interface AnyOutcome {
  /** Null when there is no such function. */
  readonly udfType: UdfType | null;
  readonly outcome: FunctionOutcome;
}

export interface HttpActionService {
  serve(request: IncomingRequest, call: HttpActionCall): Promise<HttpActionAnswer>;
}

/** One method per push endpoint: parsed JSON in, JSON out. The caller has already been found to be an admin. */
export interface PushService {
  getConfigHashes(body: unknown): Promise<unknown>;
  startPush(body: unknown): Promise<unknown>;
  evaluatePush(body: unknown): Promise<unknown>;
  evaluateSchema(body: unknown): Promise<unknown>;
  waitForSchema(body: unknown): Promise<unknown>;
  finishPush(body: unknown): Promise<unknown>;
  reportPushCompleted(body: unknown): Promise<unknown>;
  /** This and the rest are the protocol of npm package versions before 1.26. */
  getConfig(body: unknown): Promise<unknown>;
  prepareSchema(body: unknown): Promise<unknown>;
  pushConfig(body: unknown): Promise<unknown>;
  schemaState(schemaId: string): Promise<unknown>;
}

/** Runs source that was never pushed, as a query. */
export interface TestFunctionService {
  runQuery(call: TestFunctionCall): Promise<FunctionOutcome>;
}

/** What the dashboard does besides calling functions. Values are JSON text. */
export interface DashboardService {
  /** By table name: what the documents of the component's tables look like. */
  shapes(identity: Identity, component: string): Promise<FunctionOutcome>;
  /** A module's source as it was written, `null` where the push brought none. */
  sourceCode(identity: Identity, component: string, path: string): Promise<FunctionOutcome>;
  indexes(identity: Identity, component: string): Promise<FunctionOutcome>;
  /** All of them, with their documents, or none. */
  deleteTables(component: string, names: readonly string[]): Promise<void>;
}

export interface EnvironmentService {
  /** The user's own, in the order of their names. */
  list(): Promise<readonly { readonly name: string; readonly value: string }[]>;
  /** All of them or none. */
  update(changes: readonly EnvironmentChange[]): Promise<void>;
}

export interface PausingService {
  pause(): Promise<void>;
  resume(): Promise<void>;
}

export interface JobService {
  /** Cancels a scheduled function of a component; one that is over stays as it is. */
  cancel(component: string, id: string): Promise<void>;
  /** Those of a component that have not ended and are meant. */
  cancelAll(which: JobsToCancel): Promise<void>;
}

/** Log of function executions, for `npx convex logs` and the dashboard (`wire.md` §6). */
export interface LogReader {
  /**
   * Entries behind the cursor. Answers at once when there are any or when the cursor is 0; else waits until there are,
   * and after `holdMs` answers with none and the same cursor.
   */
  read(request: LogRequest): Promise<LogBatch>;
}

/** Sockets of the sync protocol. */
export interface SyncService {
  /** Opens one for a client that asked for an upgrade: the 101 with its end of the socket. */
  connect(client: SocketClient): Promise<Response>;
}

export interface SocketClient {
  readonly ip: string | null;
  readonly userAgent: string | null;
  /** Whether it puts Transitions together from chunks. */
  readonly chunks: boolean;
}

/** What the Node service may ask for. Everything is signed; operations carry the token of their execution besides. */
export interface NodeCallbackService {
  keys(): Promise<SigningKeys>;
  readonly nonces: NonceStore;
  readonly clockSkewMs: number;
  readonly bodyBytes: number;
  /** Zip of Node code by its hash, null when it is unknown. */
  package(hash: string): Promise<ArrayBuffer | null>;
  /** Throws `CodedError` for what another attempt may cure, and without a valid token (E-G-8). */
  syscall(request: NodeSyscallRequest): Promise<SyscallResponse>;
}

/** Stored files by their URLs. */
export interface FileService {
  readonly uploads: Pick<Uploads, "upload">;
  readonly downloads: Pick<Downloads, "find" | "open" | "openPart">;
}

/** Imports and exports of data. */
export type TransferService = Pick<
  Transfers,
  "startUpload" | "uploadPart" | "finishUpload" | "performImport" | "cancelImport" | "requestExport" | "openExport"
>;

export interface HttpSettings {
  readonly instanceName: string;
  /** Version of this backend, as `/version` tells it. */
  readonly version: string;
  /** Origins as clients see them, without a trailing slash. */
  readonly cloudUrl: string;
  readonly siteUrl: string;
  /** Production: callers see neither messages nor log lines of failures, only `errorData`. Admins see everything. */
  readonly redactErrors: boolean;
  /** Bytes of a request body on the function endpoints. */
  readonly functionBodyBytes: number;
  /** Bytes of a push, after decompression. */
  readonly pushBodyBytes: number;
  readonly echoBodyBytes: number;
  /** Bytes of the body of a request to an HTTP action. */
  readonly httpActionRequestBytes: number;
  readonly queriesPerBatch: number;
  /** Milliseconds after which a query or mutation is answered with 408. Actions have their own limit. */
  readonly requestTimeoutMs: number;
  /** Milliseconds for which a log poll is held open. */
  readonly logHoldMs: number;
}

export const DEFAULT_HTTP_SETTINGS = {
  redactErrors: true,
  functionBodyBytes: 2 ** 24 + 2000,
  pushBodyBytes: 200 * 1024 * 1024,
  echoBodyBytes: 128 * 1024 * 1024,
  httpActionRequestBytes: 20 * 1024 * 1024,
  queriesPerBatch: 1000,
  requestTimeoutMs: 300_000,
  logHoldMs: 60_000,
} as const satisfies Partial<HttpSettings>;

/** Everything the routes need, made once per isolate. */
export interface HttpServices {
  readonly functions: FunctionService;
  readonly httpActions: HttpActionService;
  readonly push: PushService;
  readonly environment: EnvironmentService;
  readonly jobs: JobService;
  readonly pausing: PausingService;
  readonly logs: LogReader;
  readonly sync: SyncService;
  readonly testFunctions: TestFunctionService;
  readonly dashboard: DashboardService;
  readonly nodeCallbacks: NodeCallbackService;
  readonly files: FileService;
  readonly transfers: TransferService;
  readonly streamingExport: Pick<StreamingExport, "listSnapshot" | "documentDeltas">;
  readonly adminKeys: AdminKeys;
  readonly tokens: TokenVerifier;
  /** A JWK Set: what verifies the tokens that the app signs. */
  readonly signingKeys: () => Promise<object>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly settings: HttpSettings;
}
