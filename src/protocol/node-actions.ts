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

/** Code of one push: everything `"use node"` modules need, as one zip addressed by its content. */
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

/** An error as user code threw it; frames are mapped to sources by the Worker. Shape of `ThrownError`. */
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

/** Fetches and unpacks a package and installs its externals, so that the first call does not wait. */
export const prepareRequest = z.object({ v: z.literal(NODE_PROTOCOL_VERSION), package: nodePackage });

/** Body of `POST /api/node/syscall`. `args` is the JSON text the `convex` package passed. */
export const nodeSyscallRequest = z.object({
  v: z.literal(NODE_PROTOCOL_VERSION),
  token: z.string(),
  op: z.string(),
  args: z.string(),
  /** Of mutations: the same on every attempt, so that a lost answer never runs one twice. */
  idempotency: z.object({ sessionId: z.string(), requestId: z.string() }).optional(),
});

/** Body of every refusal of the service. `retryable`: nothing was started and another attempt may succeed. */
export const nodeServiceError = z.object({ code: z.string(), message: z.string(), retryable: z.boolean() });

export type NodePackage = z.infer<typeof nodePackage>;
export type ExecuteRequest = z.infer<typeof executeRequest>;
export type ExecuteEvent = z.infer<typeof executeEvent>;
export type NodeThrownError = z.infer<typeof nodeThrownError>;
export type NodeAnalyzeRequest = z.infer<typeof analyzeRequest>;
export type PrepareRequest = z.infer<typeof prepareRequest>;
export type NodeSyscallRequest = z.infer<typeof nodeSyscallRequest>;
export type NodeServiceError = z.infer<typeof nodeServiceError>;
