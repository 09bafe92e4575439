import { z } from "zod";

/**
 * What crosses between the Worker and the Node service (`design.md` §5, `abi.md` §6). Every request in both directions
 * is signed (`src/signing`); every body is parsed by a schema below before anything else looks at it.
 *
 * Worker → service: `POST /execute`, `/analyze`, `/prepare`. Service → Worker: `GET /api/node/packages/<hash>` and
 * `POST /api/node/syscall`.
 */
export const NODE_PROTOCOL_VERSION = 1;

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);

/**
 * Code of one push: everything `"use node"` modules need, as one zip addressed by its content. The names of its entries
 * are canonical module paths (`dir/messages.js`, `_deps/node/ABC.js`); other files may lie beside them.
 */
export const nodePackage = z.object({
  /** Lower-case hex sha-256 of the zip's bytes. */
  hash: sha256Hex,
  /** Bytes of the zip: the service makes room before it fetches. */
  bytes: z.int().nonnegative(),
  /** Where the zip is, with a signed GET. Origin of the Worker as the service reaches it. */
  url: z.url(),
  /** Packages of `node.externalPackages`, exact versions. Installed once per distinct set. */
  externals: z.array(z.object({ name: z.string(), version: z.string() })),
  /** Major version of Node from `convex.json`, null = the service's own. */
  nodeVersion: z.string().nullable(),
});

const variables = z.record(z.string(), z.string());

export const executeRequest = z.object({
  v: z.literal(NODE_PROTOCOL_VERSION),
  /** Also the id in the function log. A second request with the same id is refused: at most once. */
  executionId: z.string(),
  package: nodePackage,
  /** Canonical module path, e.g. `dir/messages.js`, and export. */
  module: z.string(),
  function: z.string(),
  /** JSON text of the argument array in ConvexJSON. */
  args: z.string(),
  /** What `process.env` holds besides PATH, PWD, LANG, NODE_PATH, TZ and UTC. */
  variables,
  requestId: z.string(),
  /** Answers of operations that need no round trip, JSON texts by operation name (`abi.md` §2.3.2, 2.3.3). */
  localAnswers: z.record(z.string(), z.string()),
  callback: z.object({
    /** `POST` target of syscalls. */
    url: z.url(),
    /** Sealed by the Worker; bound to identity, function, component, execution and deadline. */
    token: z.string(),
  }),
  limits: z.object({
    timeoutMs: z.int().positive(),
    memoryBytes: z.int().positive(),
    concurrentOperations: z.int().positive(),
    logLines: z.int().positive(),
    logBytes: z.int().positive(),
    /** Of one line. A Worker from before it was sent cuts none shorter than this. */
    logLineBytes: z.int().positive().default(32_768),
    returnBytes: z.int().positive(),
    /** What follows the error text of each limit: the setting's name, or nothing. */
    notes: z.record(z.string(), z.string()),
  }),
});

export const logLine = z.object({
  level: z.enum(["DEBUG", "INFO", "LOG", "WARN", "ERROR"]),
  messages: z.array(z.string()),
  isTruncated: z.boolean(),
  timestamp: z.number(),
  code: z.string().optional(),
});

/**
 * An error as user code threw it; frames are mapped to sources by the Worker. Shape of `ThrownError`. In a stack, modules
 * of the package are named by their canonical paths, e.g. `    at handler (dir/messages.js:3:9)`.
 */
export const nodeThrownError = z.object({
  name: z.string(),
  message: z.string(),
  stack: z.string().optional(),
  /** ConvexJSON text of a ConvexError's data. */
  data: z.string().optional(),
  /** The message is the whole text to show. */
  whole: z.literal(true).optional(),
});

/**
 * The answer of `/execute`: lines of JSON, the last one a `result`. A stream that ends without one means that the
 * action may have run and is never tried again. Before the first line nothing has started: an HTTP status other than
 * 200 says that the action was not run.
 */
export const executeEvent = z.discriminatedUnion("kind", [
  /** User code is about to start: from here on the outcome counts as unknown until the result. */
  z.object({ kind: z.literal("started") }),
  z.object({ kind: z.literal("heartbeat") }),
  z.object({ kind: z.literal("log"), lines: z.array(logLine) }),
  z.object({
    kind: z.literal("result"),
    result: z.discriminatedUnion("ok", [
      z.object({ ok: z.literal(true), value: z.string() }),
      z.object({ ok: z.literal(false), error: nodeThrownError }),
    ]),
  }),
]);

export const analyzeRequest = z.object({
  v: z.literal(NODE_PROTOCOL_VERSION),
  package: nodePackage,
  /** Canonical paths of the modules to evaluate. */
  modules: z.array(z.string()),
  variables,
  timeoutMs: z.int().positive(),
});

const analyzedFunction = z.object({
  name: z.string(),
  kind: z.enum(["Query", "Mutation", "Action"]),
  visibility: z.enum(["public", "internal"]).nullable(),
  args: z.string().nullable(),
  returns: z.string().nullable(),
});

/** The answer of `/analyze`, with status 200. Shape of `AnalyzeResult`; Node modules have no routes and no crons. */
export const analyzeResponse = z.discriminatedUnion("ok", [
  z.object({
    ok: z.literal(true),
    modules: z.array(
      z.object({
        path: z.string(),
        functions: z.array(analyzedFunction),
        httpRoutes: z.null(),
        crons: z.null(),
      }),
    ),
  }),
  z.object({
    ok: z.literal(false),
    /** The module that failed. */
    path: z.string(),
    error: nodeThrownError,
    logs: z.array(logLine),
    /** Set when nothing was thrown and the service itself found the mistake. */
    text: z.string().optional(),
  }),
]);

/** Fetches and unpacks a package and installs its externals, so that the first call does not wait. */
export const prepareRequest = z.object({
  v: z.literal(NODE_PROTOCOL_VERSION),
  package: nodePackage,
  /** Of a deployment that calls are about to come from: one process is got ready, with these modules evaluated. */
  process: z
    .object({
      variables: z.record(z.string(), z.string()),
      memoryBytes: z.int().positive(),
      modules: z.array(z.string()),
      timeoutMs: z.int().positive(),
    })
    .optional(),
});

/** Body of `POST /api/node/syscall`. `args` is the JSON text the `convex` package passed. */
export const nodeSyscallRequest = z.object({
  v: z.literal(NODE_PROTOCOL_VERSION),
  token: z.string(),
  op: z.string(),
  args: z.string(),
  /** Of mutations: the same on every attempt, so that a lost answer never runs one twice. */
  idempotency: z.object({ sessionId: z.string(), requestId: z.string() }).optional(),
});

/**
 * The answer of a syscall, with status 200 whatever became of it. Every other status says that the operation may not
 * have run: 5xx is tried again where the table of `features.md` §4.8 allows it, 4xx is not.
 */
export const nodeSyscallResponse = z.discriminatedUnion("ok", [
  /** JSON text of the result. */
  z.object({ ok: z.literal(true), result: z.string() }),
  /** What the promise in user code rejects with. `data`: ConvexJSON text of a ConvexError's data. */
  z.object({ ok: z.literal(false), message: z.string(), data: z.string().optional() }),
]);

/**
 * Body of every refusal of the service: 401 (signature), 400 (shape), 409 (`executionId` was seen), 413 (size), 422
 * (package can't be used: the message is for the developer), 429 (no place after a bounded wait), 502 (package can't
 * be fetched), 503 (draining, or no process). `retryable`: nothing was started and another attempt may succeed.
 */
export const nodeServiceError = z.object({ code: z.string(), message: z.string(), retryable: z.boolean() });

/** What the service tells the process that started it, through its channel, once it listens. */
export const nodeServiceReport = z.object({ kind: z.literal("listening"), port: z.int().positive() });

export type NodeServiceReport = z.infer<typeof nodeServiceReport>;
export type NodePackage = z.infer<typeof nodePackage>;
export type ExecuteRequest = z.infer<typeof executeRequest>;
export type ExecuteEvent = z.infer<typeof executeEvent>;
export type NodeThrownError = z.infer<typeof nodeThrownError>;
export type NodeAnalyzeRequest = z.infer<typeof analyzeRequest>;
export type PrepareRequest = z.infer<typeof prepareRequest>;
export type NodeSyscallRequest = z.infer<typeof nodeSyscallRequest>;
export type NodeAnalyzeResponse = z.infer<typeof analyzeResponse>;
export type NodeSyscallResponse = z.infer<typeof nodeSyscallResponse>;
export type NodeServiceError = z.infer<typeof nodeServiceError>;
