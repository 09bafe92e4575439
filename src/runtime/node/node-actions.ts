import type { FunctionFailure } from "../../protocol/execution.ts";
import {
  type ExecuteRequest,
  NODE_PROTOCOL_VERSION,
  type NodeThrownError,
  type PrepareRequest,
} from "../../protocol/node-actions.ts";
import type { AppVersion } from "../../protocol/app.ts";
import { must } from "../../shared/assert.ts";
import type { Log } from "../../shared/log.ts";
import { sourceMapsOf } from "../code/app-source-maps.ts";
import type { Deployment } from "../code/deployments.ts";
import type { ActionExecution } from "../functions/action-execution.ts";
import { describeThrown, FunctionError, plainFailure } from "../functions/failure.ts";
import { actionSyscalls } from "../syscalls/action-table.ts";
import { BrokenStreamError, executeEvents, wholeEvents } from "./event-stream.ts";
import type { ExecutionTokens } from "./execution-token.ts";
import { plainLogLine, thrownError } from "./from-service.ts";
import { type NodeService, serviceFailure } from "./node-service.ts";

/** Limits of `"use node"` actions, from the settings. Milliseconds and bytes. */
export interface NodeLimits {
  readonly timeoutMs: number;
  /** Of modules, before any call. */
  readonly evaluationMs: number;
  readonly memoryBytes: number;
  readonly argumentBytes: number;
  readonly concurrentOperations: number;
  readonly logLines: number;
  /** Characters of all lines together. */
  readonly logBytes: number;
  /** Of one line. */
  readonly logLineBytes: number;
  readonly returnBytes: number;
  /** What follows the texts of the limits, by the names above. */
  readonly notes: Readonly<Record<string, string>>;
}

export type NodeResult =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly error: FunctionFailure };

/** Operations whose answer is known when the action starts, so that they cost no round trip. */
const LOCAL_OPERATIONS = [
  "1.0/getUserIdentity",
  "1.0/getFunctionMetadata",
  "1.0/getDeploymentMetadata",
  "1.0/getRequestMetadata",
] as const;

/** The service answers a timeout itself; whoever waits this much longer knows that it can't. */
const TIMEOUT_GRACE_MS = 15_000;

const GET_READY_MS = 30_000;

const NO_NODE_CODE: Pick<AppVersion, "node" | "nodeVersion" | "modules"> = { nodeVersion: null, modules: [] };

/** An action's operations may still be answered while it is being ended. */
const TOKEN_LIFETIMES = 2;

/** Runs `"use node"` actions in the Node service: one request each, sent once, whatever becomes of it. */
export class NodeActions {
  readonly service: NodeService;
  readonly limits: NodeLimits;
  readonly tokens: ExecutionTokens;
  readonly #log: Log;

  constructor(service: NodeService, limits: NodeLimits, tokens: ExecutionTokens, log: Log) {
    this.service = service;
    this.limits = limits;
    this.tokens = tokens;
    this.#log = log;
  }

  /** E-F-6. */
  checkArgumentSize(args: string): void {
    if (args.length <= this.limits.argumentBytes) return;
    throw new FunctionError(
      plainFailure(
        `Node actions arguments size is too large. The maximum size is ${this.limits.argumentBytes / (1024 * 1024)} MiB. ` +
          "Reduce the size of the arguments or consider using Convex runtime actions instead, which have a 16 MiB limit. " +
          `See https://docs.convex.dev/functions/runtimes${this.limits.notes["argumentBytes"] ?? ""}`,
      ),
    );
  }

  /**
   * Has the service start a process of this deployment and evaluate its modules, which is most of a first call. Nothing
   * depends on it.
   */
  async getReady({ app, variables }: Deployment): Promise<void> {
    const { node, nodeVersion, modules } = app?.version ?? NO_NODE_CODE;
    if (node === undefined || !this.service.configured) return;
    const { memoryBytes, evaluationMs } = this.limits;
    // Chunks are evaluated by those who import them.
    const entries = modules.filter(({ environment, path }) => environment === "node" && !path.startsWith("_deps/"));
    const paths = entries.map(({ path }) => path);
    const request: PrepareRequest = {
      v: NODE_PROTOCOL_VERSION,
      package: this.service.package(node, nodeVersion),
      process: { variables: { ...variables }, memoryBytes, modules: paths, timeoutMs: evaluationMs },
    };
    try {
      const { response } = await this.service.post("/prepare", request, AbortSignal.timeout(GET_READY_MS));
      await response.body?.cancel();
    } catch (error) {
      this.#log.warn("node_service.not_ready", { reason: String(error) });
    }
  }

  /** `args` is the JSON text of the checked argument array. Throws `CodedError` when nothing was started. */
  async run(execution: ActionExecution, args: string): Promise<NodeResult> {
    const overdue = new AbortController();
    const timer = setTimeout(() => overdue.abort(unexpectedTimeout()), this.limits.timeoutMs + TIMEOUT_GRACE_MS);
    try {
      const request = await this.#request(execution, args);
      const { response, refusal } = await this.service.post("/execute", request, overdue.signal);
      if (refusal !== null) throw serviceFailure(refusal) ?? new FunctionError(plainFailure(refusal.message));
      return await this.#result(execution, response);
    } catch (error) {
      if (overdue.signal.aborted) throw overdue.signal.reason;
      if (!(error instanceof BrokenStreamError)) throw error;
      this.#log.error("node_service.stream_broken", error, { executionId: execution.executionId });
      throw lost();
    } finally {
      clearTimeout(timer);
    }
  }

  async #result(execution: ActionExecution, response: Response): Promise<NodeResult> {
    const events = response.headers.has("content-length")
      ? await wholeEvents(response)
      : executeEvents(must(response.body, "body of an answer"));
    for await (const event of events) {
      switch (event.kind) {
        case "started":
        case "heartbeat":
          break;
        case "log":
          execution.onLog(event.lines.map(plainLogLine));
          break;
        case "result":
          if (event.result.ok) return event.result;
          return { ok: false, error: await describe(event.result.error, execution) };
      }
    }
    throw new BrokenStreamError("the stream ended without a result");
  }

  async #request(execution: ActionExecution, args: string): Promise<ExecuteRequest> {
    const { deployment, found, call, executionId, runtime, depth } = execution;
    const { version } = deployment.app;
    const { timeoutMs, memoryBytes, concurrentOperations, logLines, logBytes, logLineBytes, returnBytes, notes } =
      this.limits;
    return {
      v: NODE_PROTOCOL_VERSION,
      executionId,
      package: this.service.package(must(version.node, "Node code of the app"), version.nodeVersion),
      module: found.path.module,
      function: found.path.function,
      args,
      variables: { ...deployment.variables },
      requestId: call.context.requestId,
      localAnswers: await localAnswers(execution),
      callback: {
        url: `${this.service.callbackUrl}/api/node/syscall`,
        token: await this.tokens.seal({
          executionId,
          path: found.path,
          identity: call.identity,
          context: call.context,
          depth,
          deadline: runtime.clock.now() + TOKEN_LIFETIMES * timeoutMs,
        }),
      },
      limits: {
        timeoutMs,
        memoryBytes,
        concurrentOperations,
        logLines,
        logBytes,
        logLineBytes,
        returnBytes,
        notes: { ...notes },
      },
    };
  }
}

async function localAnswers(execution: ActionExecution): Promise<Record<string, string>> {
  const answers = await Promise.all(
    LOCAL_OPERATIONS.map(async (op) => [op, await must(actionSyscalls[op], op)(execution, {})] as const),
  );
  return Object.fromEntries(answers);
}

function describe(error: NodeThrownError, { deployment, runtime }: ActionExecution): Promise<FunctionFailure> {
  const { version } = deployment.app;
  const node = version.modules.filter(({ environment }) => environment === "node");
  return describeThrown(thrownError(error, node), sourceMapsOf(runtime.code, version));
}

/** E-C-2, when the service can't say so. */
function unexpectedTimeout(): FunctionError {
  return new FunctionError(
    plainFailure(
      "Function execution unexpectedly timed out. Check your function for infinite loops or other long-running operations.",
    ),
  );
}

/** E-C-14. */
function lost(): FunctionError {
  return new FunctionError(
    plainFailure(
      "Transient error while executing action: the connection to the Node service was lost. " +
        "The action may have run in part; it is not tried again.",
    ),
  );
}
