import { z } from "zod";
import type { InvocationLimits } from "./invocation.ts";

/** What a number counts, as docs/settings.md prints it. */
export type Unit = "ms" | "bytes" | "count" | "boolean";

export interface Setting<T extends number | boolean> {
  /** Worker variable that changes it. */
  readonly name: `CONVECTION_${string}`;
  readonly default: T;
  readonly unit: Unit;
  readonly description: string;
  /** Row of docs/compatibility.md whose behaviour it bounds, or `null` when it is ours alone. */
  readonly row: string | null;
  readonly schema: z.ZodType<T>;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;

/**
 * Every limit and switch of a deployment, defined here and nowhere else. docs/settings.md is generated from it.
 * What the format of documents fixes (1 MiB per document, 1024 fields, 8192 elements, nesting 16) is not a setting.
 */
export const SETTINGS = {
  // Time
  actionTimeoutMs: duration(
    "CONVECTION_ACTION_TIMEOUT_MS",
    30 * MINUTE,
    "E-C-1",
    "Running time of an action in the default runtime.",
  ),
  nodeActionTimeoutMs: duration(
    "CONVECTION_NODE_ACTION_TIMEOUT_MS",
    10 * MINUTE,
    "E-C-2",
    'Running time of a `"use node"` action.',
  ),
  userTimeMs: duration(
    "CONVECTION_USER_TIME_MS",
    SECOND,
    "E-C-3",
    "JavaScript time of a query or mutation, waiting for the database excluded.",
  ),
  syscallTimeMs: duration(
    "CONVECTION_SYSCALL_TIME_MS",
    15 * SECOND,
    "E-C-4",
    "Database time of one query or mutation, all operations together.",
  ),
  nodeAnalyzeTimeMs: duration(
    "CONVECTION_NODE_ANALYZE_TIME_MS",
    10 * SECOND,
    "E-D-8",
    'Evaluating the `"use node"` modules of a push.',
  ),
  nodeClockSkewMs: duration(
    "CONVECTION_NODE_CLOCK_SKEW_MS",
    60 * SECOND,
    "E-G-8",
    "How far the clocks of the Worker and of the Node service may differ.",
  ),
  analyzeTimeMs: duration("CONVECTION_ANALYZE_TIME_MS", 4 * SECOND, "E-D-8", "Evaluating the modules of a push."),

  // Functions
  memoryBytes: bytes(
    "CONVECTION_MEMORY_BYTES",
    64 * MIB,
    "E-C-5",
    "Memory one function in the default runtime may allocate in buffers.",
  ),
  nodeMemoryBytes: bytes("CONVECTION_NODE_MEMORY_BYTES", 512 * MIB, "S0-40", 'Heap of one `"use node"` action.'),
  concurrentOperations: count(
    "CONVECTION_CONCURRENT_OPERATIONS",
    1000,
    "E-C-6",
    "Operations (`ctx.run*`, `fetch`, storage) pending at once in one action.",
  ),
  nestingDepth: count("CONVECTION_NESTING_DEPTH", 8, "E-A-10", "Functions calling functions, counted from the client."),
  logLines: count("CONVECTION_LOG_LINES", 256, "E-C-10", "Log lines kept of one function run."),
  logLineBytes: bytes("CONVECTION_LOG_LINE_BYTES", 32_768, "E-C-10", "Length after which one log line is cut."),
  argsBytes: bytes("CONVECTION_ARGS_BYTES", 16 * MIB, "E-F-5", "Arguments of one call."),
  nodeArgsBytes: bytes(
    "CONVECTION_NODE_ARGS_BYTES",
    5 * MIB,
    "E-F-6",
    'Arguments of one call of a `"use node"` action.',
  ),
  returnBytes: bytes("CONVECTION_RETURN_BYTES", 16 * MIB, "E-F-7", "Return value of one call."),

  // Transactions
  transactionDocumentsRead: count(
    "CONVECTION_TRANSACTION_DOCUMENTS_READ",
    32_000,
    "E-F-14",
    "Documents scanned by one query or mutation, filtered ones included.",
  ),
  transactionBytesRead: bytes(
    "CONVECTION_TRANSACTION_BYTES_READ",
    16 * MIB,
    "E-F-14",
    "Bytes read by one transaction.",
  ),
  transactionDatabaseQueries: count(
    "CONVECTION_TRANSACTION_DATABASE_QUERIES",
    4096,
    "E-F-14",
    "Index ranges read by one transaction: each `db.get` and each query counts one.",
  ),
  transactionDocumentsWritten: count(
    "CONVECTION_TRANSACTION_DOCUMENTS_WRITTEN",
    16_000,
    "E-F-14",
    "Documents written by one mutation.",
  ),
  transactionBytesWritten: bytes(
    "CONVECTION_TRANSACTION_BYTES_WRITTEN",
    16 * MIB,
    "E-F-14",
    "Bytes written by one mutation.",
  ),
  transactionFunctionsScheduled: count(
    "CONVECTION_TRANSACTION_FUNCTIONS_SCHEDULED",
    1000,
    "E-F-13",
    "Functions scheduled by one mutation.",
  ),
  transactionScheduledArgsBytes: bytes(
    "CONVECTION_TRANSACTION_SCHEDULED_ARGS_BYTES",
    16 * MIB,
    "E-F-13",
    "Arguments of all functions scheduled by one mutation.",
  ),
  transactionFilesWritten: count(
    "CONVECTION_TRANSACTION_FILES_WRITTEN",
    100,
    "P-F-25",
    "Files that one mutation stores by `ctx.storage.store`.",
  ),
  transactionFileWriteBytes: bytes(
    "CONVECTION_TRANSACTION_FILE_WRITE_BYTES",
    16 * MIB,
    "P-F-25",
    "Bytes of the files that one mutation stores.",
  ),
  transactionFilesRead: count(
    "CONVECTION_TRANSACTION_FILES_READ",
    100,
    "P-F-25",
    "Files that one mutation reads by `ctx.storage.get`.",
  ),
  transactionFileReadBytes: bytes(
    "CONVECTION_TRANSACTION_FILE_READ_BYTES",
    16 * MIB,
    "P-F-25",
    "Bytes of the files that one mutation reads.",
  ),

  // Files
  uploadUrlLifeMs: duration("CONVECTION_UPLOAD_URL_LIFE_MS", 60 * MINUTE, "E-G-7", "How long an upload URL is valid."),
  uploadIdleMs: duration(
    "CONVECTION_UPLOAD_IDLE_MS",
    2 * MINUTE,
    "P-B-1",
    "An upload that does not bring 128 KiB in this time is ended.",
  ),
  fileOrphanMs: duration(
    "CONVECTION_FILE_ORPHAN_MS",
    DAY,
    null,
    "Age at which bytes that no committed transaction made a file of are removed.",
  ),
  deletedFileMs: duration(
    "CONVECTION_DELETED_FILE_MS",
    30 * DAY,
    null,
    "How long the bytes of a deleted file are kept, for a database that is restored to an earlier time.",
  ),

  // Schema and push
  tables: count("CONVECTION_TABLES", 10_000, "E-F-9", "Tables of the deployment."),
  indexesPerTable: count("CONVECTION_INDEXES_PER_TABLE", 32, "E-F-10", "Indexes of one table, of all types."),
  fieldsPerIndex: count(
    "CONVECTION_FIELDS_PER_INDEX",
    16,
    "E-F-10",
    "Fields of one index, the appended `_creationTime` included.",
  ),
  searchIndexesPerTable: count("CONVECTION_SEARCH_INDEXES_PER_TABLE", 4, "E-F-10", "Text indexes of one table."),
  vectorIndexesPerTable: count("CONVECTION_VECTOR_INDEXES_PER_TABLE", 4, "E-F-10", "Vector indexes of one table."),
  filterFieldsPerIndex: count(
    "CONVECTION_FILTER_FIELDS_PER_INDEX",
    16,
    "E-F-10",
    "Filter fields of a text or vector index.",
  ),
  modules: count("CONVECTION_MODULES", 4096, "E-F-12", "Function files of one push."),
  codeBytes: bytes("CONVECTION_CODE_BYTES", 32 * MIB, "E-F-12", "Sources of one push together, without source maps."),
  pushBytes: bytes("CONVECTION_PUSH_BYTES", 200 * MIB, "E-F-12", "Body of one push after decompression."),

  // Environment variables of the app
  envVars: count("CONVECTION_ENV_VARS", 1000, "E-G-6", "Environment variables of the app."),
  envVarNameLength: count("CONVECTION_ENV_VAR_NAME_LENGTH", 256, "E-G-6", "Characters in the name of a variable."),
  envVarValueBytes: bytes("CONVECTION_ENV_VAR_VALUE_BYTES", 8 * KIB, "E-G-6", "Value of one variable."),
  envVarTotalBytes: bytes("CONVECTION_ENV_VAR_TOTAL_BYTES", 512 * KIB, "E-G-6", "All names and values together."),

  // Search
  vectorResults: count("CONVECTION_VECTOR_RESULTS", 256, "E-F-16", "Results of one vector search."),
  searchMemoryBytes: bytes(
    "CONVECTION_SEARCH_MEMORY_BYTES",
    64 * MIB,
    null,
    "Vectors of one index that are kept in memory, a byte per dimension; the others are read from storage.",
  ),

  // Concurrency
  concurrentQueries: count(
    "CONVECTION_CONCURRENT_QUERIES",
    256,
    "E-C-7",
    "Queries running at once in one isolate of the Worker.",
  ),
  concurrentMutations: count("CONVECTION_CONCURRENT_MUTATIONS", 256, "E-C-7", "Mutations running at once."),
  concurrentActions: count(
    "CONVECTION_CONCURRENT_ACTIONS",
    512,
    "E-C-7",
    "Default-runtime actions running at once in one isolate of the Worker, those that others call included.",
  ),
  concurrentNodeActions: count("CONVECTION_CONCURRENT_NODE_ACTIONS", 256, "E-C-7", '`"use node"` actions at once.'),
  functionQueueMs: duration(
    "CONVECTION_FUNCTION_QUEUE_MS",
    5 * SECOND,
    "E-C-7",
    "How long a query or mutation waits for its turn before it is refused.",
  ),
  actionQueueMs: duration(
    "CONVECTION_ACTION_QUEUE_MS",
    10 * SECOND,
    "E-C-7",
    "How long an action waits for its turn before it is refused.",
  ),

  // Scheduler
  scheduledParallelism: count(
    "CONVECTION_SCHEDULED_PARALLELISM",
    64,
    "P-S-5",
    "Scheduled functions and cron jobs running at once.",
  ),
  scheduledRetentionMs: duration(
    "CONVECTION_SCHEDULED_RETENTION_MS",
    7 * DAY,
    "P-S-6",
    "How long a scheduled function that is over stays in `_scheduled_functions`.",
  ),

  // Transactor
  transactorMemoryBytes: bytes(
    "CONVECTION_TRANSACTOR_MEMORY_BYTES",
    64 * MIB,
    null,
    "Recent documents that the Transactor keeps in memory.",
  ),
  queryCacheBytes: {
    ...bytes(
      "CONVECTION_QUERY_CACHE_BYTES",
      32 * MIB,
      null,
      "Results of queries that each Worker keeps, to serve them until something they read is written. 0: none.",
    ),
    schema: wholeNumber(0),
  },
  rowCacheBytes: {
    ...bytes(
      "CONVECTION_ROW_CACHE_BYTES",
      24 * MIB,
      null,
      "Documents and index ranges that each Worker keeps for its queries, until they are written. 0: none.",
    ),
    schema: wholeNumber(0),
  },
  transactorQueue: count(
    "CONVECTION_TRANSACTOR_QUEUE",
    1000,
    "E-C-7c",
    "Mutations waiting in the Transactor; the next one is refused and may be sent again.",
  ),
  occRetries: count("CONVECTION_OCC_RETRIES", 4, "E-C-12", "Times a mutation is run again after a conflict."),
  commitGatherMs: {
    ...duration(
      "CONVECTION_COMMIT_GATHER_MS",
      20,
      null,
      "How long a commit may wait for mutations that are running, while more and more of them join it. 0: not at all.",
    ),
    schema: wholeNumber(0),
  },
  writeBytesPerSecond: count(
    "CONVECTION_WRITE_BYTES_PER_SECOND",
    0,
    "E-C-11",
    "Bytes of documents that mutations may write in a second. 0: as much as the database takes.",
  ),
  retentionMs: duration(
    "CONVECTION_RETENTION_MS",
    10 * MINUTE,
    null,
    "How long old versions of documents stay readable for running queries.",
  ),
  codeLeaseMs: duration(
    "CONVECTION_CODE_LEASE_MS",
    250,
    "P-I-4",
    "How long a Worker may serve the version of the app it knows without asking the database.",
  ),
  d1ReadTimeoutMs: duration(
    "CONVECTION_D1_READ_TIMEOUT_MS",
    10 * SECOND,
    null,
    "A read of D1 that takes longer is given up and tried again.",
  ),
  d1CommitTimeoutMs: duration(
    "CONVECTION_D1_COMMIT_TIMEOUT_MS",
    30 * SECOND,
    null,
    "A commit that D1 has not answered for this long counts as unknown and is sent again unchanged.",
  ),
  idempotencyLifeMs: duration(
    "CONVECTION_IDEMPOTENCY_LIFE_MS",
    14 * DAY,
    "P-R-4",
    "How long the outcome of a mutation is kept, so that a repeated request is answered from it.",
  ),

  // Sockets
  syncShards: positive(
    "CONVECTION_SYNC_SHARDS",
    1,
    "P-R-1",
    "Durable Objects that share the sockets of clients. One carries a few thousand; a query runs once in each.",
  ),
  syncBufferBytes: bytes(
    "CONVECTION_SYNC_BUFFER_BYTES",
    32 * MIB,
    null,
    "How far a client may be behind before its socket is closed; it connects again by itself.",
  ),

  // HTTP
  httpBodyBytes: bytes("CONVECTION_HTTP_BODY_BYTES", 2 ** 24 + 2000, "P-R-9", "Body of one function call over HTTP."),
  requestTimeoutMs: duration(
    "CONVECTION_REQUEST_TIMEOUT_MS",
    5 * MINUTE,
    "P-R-9",
    "A query or mutation over HTTP is answered with 408 after this long. Actions have their own limit.",
  ),
  queriesPerBatch: count("CONVECTION_QUERIES_PER_BATCH", 1000, "P-R-9", "Queries of one batch request."),
  echoBodyBytes: bytes("CONVECTION_ECHO_BODY_BYTES", 128 * MIB, null, "Body that `/echo` returns."),
  logHoldMs: duration(
    "CONVECTION_LOG_HOLD_MS",
    MINUTE,
    null,
    "How long a request for logs is held open for new lines.",
  ),
  httpActionRequestBytes: bytes(
    "CONVECTION_HTTP_ACTION_REQUEST_BYTES",
    20 * MIB,
    "P-H-4",
    "Request of an HTTP action.",
  ),
  httpActionResponseBytes: bytes(
    "CONVECTION_HTTP_ACTION_RESPONSE_BYTES",
    20 * MIB,
    "E-F-8",
    "Answer of an HTTP action.",
  ),

  // `convection start` only
  watchdogMs: duration(
    "CONVECTION_WATCHDOG_MS",
    15 * SECOND,
    "E-C-3",
    "Local runtime: answers nothing for this long (an endless loop in user code), it is restarted.",
  ),

  // Switches
  redactErrors: flag(
    "CONVECTION_REDACT_ERRORS",
    true,
    "P-F-17",
    'Clients see "Server Error" and a request id instead of the message. `convection start` sets it to false.',
  ),
} as const satisfies Readonly<Record<string, Setting<number> | Setting<boolean>>>;

type Key = keyof typeof SETTINGS;
type Value<K extends Key> = (typeof SETTINGS)[K] extends Setting<infer T> ? T : never;

export type Settings = { readonly [K in Key]: Value<K> };

/**
 * What follows the text of a limit error: ` [NAME=value]`, only of settings that were changed. With the defaults the
 * texts are exactly those that apps and tests know from Convex, and docs/settings.md finds the setting by their row.
 */
export type LimitNotes = { readonly [K in Key]?: string };

export function limitNotes(settings: Settings): LimitNotes {
  const values: Readonly<Record<string, number | boolean>> = settings;
  const changed = Object.entries(SETTINGS).filter(([key, setting]) => values[key] !== setting.default);
  return Object.fromEntries(changed.map(([key, { name }]) => [key, ` [${name}=${String(values[key])}]`]));
}

/** Limits of one transaction, in the words of `src/engine/limits.ts`. */
const TRANSACTION = {
  documentsRead: "transactionDocumentsRead",
  bytesRead: "transactionBytesRead",
  databaseQueries: "transactionDatabaseQueries",
  documentsWritten: "transactionDocumentsWritten",
  bytesWritten: "transactionBytesWritten",
  functionsScheduled: "transactionFunctionsScheduled",
  scheduledFunctionArgsBytes: "transactionScheduledArgsBytes",
  filesWritten: "transactionFilesWritten",
  fileWriteBytes: "transactionFileWriteBytes",
  filesRead: "transactionFilesRead",
  fileReadBytes: "transactionFileReadBytes",
} as const satisfies Readonly<Record<string, Key>>;

export function transactionLimits(settings: Settings): Record<keyof typeof TRANSACTION, number> {
  return renamed(TRANSACTION, (key) => settings[key]);
}

export function transactionLimitNotes(notes: LimitNotes): Record<keyof typeof TRANSACTION, string> {
  return renamed(TRANSACTION, (key) => notes[key] ?? "");
}

function renamed<K extends string, S extends Key, T>(
  names: Readonly<Record<K, S>>,
  value: (key: S) => T,
): Record<K, T> {
  const entries = Object.entries<S>(names).map(([name, key]) => [name, value(key)] as const);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one entry for each name
  return Object.fromEntries(entries) as Record<K, T>;
}

export function invocationLimits(settings: Settings, notes: LimitNotes = limitNotes(settings)): InvocationLimits {
  return {
    notes: {
      userTimeMs: notes.userTimeMs ?? "",
      concurrentOperations: notes.concurrentOperations ?? "",
      memoryBytes: notes.memoryBytes ?? "",
      logLines: notes.logLines ?? "",
    },
    userTimeMs: settings.userTimeMs,
    concurrentOperations: settings.concurrentOperations,
    memoryBytes: settings.memoryBytes,
    argumentBytes: settings.argsBytes,
    logLines: settings.logLines,
    logLineBytes: settings.logLineBytes,
  };
}

function duration(name: Setting<number>["name"], ms: number, row: string | null, description: string) {
  return { name, default: ms, unit: "ms", row, description, schema: wholeNumber(1) } satisfies Setting<number>;
}

function bytes(name: Setting<number>["name"], size: number, row: string | null, description: string) {
  return { name, default: size, unit: "bytes", row, description, schema: wholeNumber(1) } satisfies Setting<number>;
}

function count(name: Setting<number>["name"], number: number, row: string | null, description: string) {
  return { name, default: number, unit: "count", row, description, schema: wholeNumber(0) } satisfies Setting<number>;
}

function positive(name: Setting<number>["name"], number: number, row: string | null, description: string) {
  return { name, default: number, unit: "count", row, description, schema: wholeNumber(1) } satisfies Setting<number>;
}

function flag(name: Setting<boolean>["name"], value: boolean, row: string | null, description: string) {
  return { name, default: value, unit: "boolean", row, description, schema: trueOrFalse() } satisfies Setting<boolean>;
}

/** Worker variables are strings, or JSON values when wrangler.toml says so; both forms are accepted. */
function wholeNumber(min: number) {
  const message = `must be a whole number of at least ${min}`;
  return z
    .union([z.string().regex(/^\d+$/, message).transform(Number), z.number()], message)
    .pipe(z.number().int(message).min(min, message).max(Number.MAX_SAFE_INTEGER, message));
}

function trueOrFalse() {
  return z.union(
    [z.literal(["true", "1"]).transform(() => true), z.literal(["false", "0"]).transform(() => false), z.boolean()],
    "must be true or false",
  );
}
