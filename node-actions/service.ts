import {
  analyzeRequest,
  executeRequest,
  prepareRequest,
  type ExecuteEvent,
  type ExecuteRequest,
  type NodeAnalyzeResponse,
  type NodePackage,
} from "../src/protocol/node-actions.ts";
import type { Log } from "../src/shared/log.ts";
import type { z } from "zod";
import type { Admission } from "./admission.ts";
import type { Callbacks } from "./callbacks.ts";
import { runExecution, type ExecutionSettings } from "./execution.ts";
import type { Metrics } from "./metrics.ts";
import type { PackageStore } from "./packages/package-store.ts";
import type { CallEnd } from "./process/action-process.ts";
import type { NodeVersions } from "./process/node-versions.ts";
import type { Lease, ProcessPool } from "./process/pool.ts";
import { Refusal } from "./refusal.ts";
import type { StartTurns } from "./start-turns.ts";
import type { SeenExecutions } from "./seen-executions.ts";

export interface ServiceParts {
  readonly admission: Admission;
  readonly turns: StartTurns;
  readonly callbacks: Callbacks;
  readonly pool: ProcessPool;
  readonly store: PackageStore;
  readonly versions: NodeVersions;
  readonly seen: SeenExecutions;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly settings: ExecutionSettings;
}

/** What the routes do once a request is known to come from the Worker. Refuses with `Refusal`. */
export class Service {
  readonly #parts: ServiceParts;
  readonly #running = new Set<Promise<unknown>>();
  #draining = false;

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /**
   * Everything that may fail without user code having run happens before this returns; `start` then runs the action and
   * must be called.
   */
  async execute(body: unknown): Promise<Started> {
    this.#assertServing();
    const request = parse(executeRequest, body);
    const { seen, log } = this.#parts;
    if (!seen.begin(request.executionId)) {
      log.warn("request refused", { code: "AlreadySeen", executionId: request.executionId });
      throw new Refusal(409, "AlreadySeen", "This execution was started before.");
    }
    try {
      return await this.#admitted(request);
    } catch (error) {
      seen.forget(request.executionId);
      throw error;
    }
  }

  async analyze(body: unknown): Promise<NodeAnalyzeResponse> {
    this.#assertServing();
    const request = parse(analyzeRequest, body);
    const leave = await this.#parts.admission.enter();
    try {
      const memoryBytes = this.#parts.pool.usualMemoryBytes;
      const { late, end } = await this.#evaluate({ ...request, memoryBytes });
      return analysisOf(end, late, request);
    } finally {
      leave();
    }
  }

  async prepare(body: unknown): Promise<void> {
    this.#assertServing();
    const { package: pkg, process } = parse(prepareRequest, body);
    const { store, versions, admission } = this.#parts;
    const prepared = await this.#tracked(store.prepare(pkg, versions.binary(pkg.nodeVersion)));
    try {
      if (process === undefined) return;
      const leave = await admission.enter();
      try {
        await this.#evaluate({ package: pkg, ...process });
      } finally {
        leave();
      }
    } finally {
      prepared.release();
    }
  }

  /** Evaluates modules in a process, which is as good then as one that has run a call. */
  async #evaluate(evaluation: Evaluation): Promise<{ readonly end: CallEnd; readonly late: boolean }> {
    const { package: pkg, memoryBytes, variables, modules, timeoutMs } = evaluation;
    const { lease, unpin } = await this.#lease(pkg, memoryBytes, variables);
    const { process } = lease;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      process.kill();
    }, timeoutMs);
    try {
      const end = await this.#tracked(process.analyze(modules));
      return { end, late };
    } finally {
      clearTimeout(timer);
      lease.release();
      unpin();
    }
  }

  /** No new work from here on. Resolves when what runs has ended. */
  async drain(): Promise<void> {
    this.#draining = true;
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  async #admitted(request: ExecuteRequest): Promise<Started> {
    const { admission, turns, callbacks, metrics, settings } = this.#parts;
    const leave = await admission.enter();
    const started = await turns.enter();
    try {
      // The wait was long enough for that to change.
      this.#assertServing();
      const { lease, unpin } = await this.#lease(request.package, request.limits.memoryBytes, request.variables);
      metrics.starts.inc({ kind: lease.warm ? "warm" : "cold" });
      return {
        start: async (emit, signal) => {
          const stopTimer = metrics.duration.startTimer();
          try {
            const { result } = await this.#tracked(
              runExecution(request, lease, callbacks, settings, { emit, heard: started }, signal),
            );
            metrics.executions.inc({ outcome: signal.aborted ? "abandoned" : result.ok ? "ok" : "failed" });
          } finally {
            stopTimer();
            unpin();
            started();
            leave();
          }
        },
      };
    } catch (error) {
      started();
      leave();
      throw error;
    }
  }

  async #lease(
    pkg: NodePackage,
    memoryBytes: number,
    variables: Readonly<Record<string, string>>,
  ): Promise<{ readonly lease: Lease; readonly unpin: () => void }> {
    const { pool, store, versions, log } = this.#parts;
    const binary = versions.binary(pkg.nodeVersion);
    const binding = { binary, memoryBytes, directory: store.directoryOf(pkg, binary), variables };
    const held = store.hold(pkg, binary);
    const idle = held === undefined ? undefined : pool.takeIdle(binding);
    if (held !== undefined && idle !== undefined) return { lease: idle, unpin: held };
    held?.();
    const prepared = await this.#tracked(store.prepare(pkg, binary));
    try {
      return { lease: await pool.start(binding), unpin: prepared.release };
    } catch (cause) {
      prepared.release();
      log.error("no process could be started", cause);
      const message = "No process could be started for this action.";
      throw new Refusal(503, "NoProcess", message, { retryable: true, cause });
    }
  }

  #tracked<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    const forget = (): void => void this.#running.delete(work);
    work.then(forget, forget);
    return work;
  }

  #assertServing(): void {
    if (!this.#draining) return;
    throw new Refusal(503, "Draining", "The Node service is shutting down.", { retryable: true });
  }
}

interface Evaluation {
  readonly package: NodePackage;
  readonly memoryBytes: number;
  readonly variables: Readonly<Record<string, string>>;
  readonly modules: readonly string[];
  readonly timeoutMs: number;
}

/** An action that may run: it has a place and a process. */
export interface Started {
  start(emit: (event: ExecuteEvent) => void, signal: AbortSignal): Promise<void>;
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const message = `The request is not understood: ${issue?.path.join(".")}: ${issue?.message}. Are Worker and Node service of one version?`;
  throw new Refusal(400, "BadRequest", message);
}

function analysisOf(
  end: CallEnd,
  late: boolean,
  { modules, timeoutMs }: { readonly modules: readonly string[]; readonly timeoutMs: number },
): NodeAnalyzeResponse {
  if (end.kind === "analyzed") return end.response;
  if (end.kind === "result") throw new Error("modules were run instead of analyzed");
  const text = late
    ? `Function execution timed out (maximum duration: ${timeoutMs / 1000}s)`
    : `The Node.js process ended while the modules were evaluated (${end.exit.signal ?? `exit code ${end.exit.code}`}).`;
  const error = { name: "", message: text, whole: true } as const;
  return { ok: false, path: modules[0] ?? "", error, logs: [], text };
}
