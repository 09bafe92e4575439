import type { ExecuteEvent, ExecuteRequest } from "../src/protocol/node-actions.ts";
import type { Callbacks } from "./callbacks.ts";
import type { ActionProcess, CallEnd, Exit } from "./process/action-process.ts";
import type { Lease } from "./process/pool.ts";

export interface ExecutionSettings {
  readonly heartbeatMs: number;
  readonly killGraceMs: number;
  readonly memoryCheckMs: number;
  readonly overheadBytes: number;
}

export type ResultEvent = Extract<ExecuteEvent, { kind: "result" }>;
type Limits = ExecuteRequest["limits"];
/** Why the service itself ended the process. */
type Cause = "timeout" | "memory" | "abandoned" | undefined;

const MIB = 1024 * 1024;

/** A reason of its own for every abort would be an exception with a stack. */
const ENDED = new Error("the action has ended");

export interface Listener {
  readonly emit: (event: ExecuteEvent) => void;
  /** Called when user code has asked for something: it has begun. */
  readonly heard: () => void;
}

/**
 * Runs one action in a process of its own, at most once. Events go to `emit`, the last one is the result. When `signal`
 * aborts nobody waits any more: the process is ended.
 */
export async function runExecution(
  request: ExecuteRequest,
  lease: Lease,
  callbacks: Callbacks,
  settings: ExecutionSettings,
  { emit, heard }: Listener,
  signal: AbortSignal,
): Promise<ResultEvent> {
  const { process } = lease;
  const { limits } = request;
  const ended = new AbortController();
  let cause: Cause;
  const stop = (why: Cause): void => {
    cause ??= why;
    process.kill();
  };
  const abandon = (): void => stop("abandoned");
  signal.addEventListener("abort", abandon, { once: true });
  let killing: NodeJS.Timeout | undefined;
  const timeout = setTimeout(() => {
    process.timeout();
    killing = setTimeout(() => stop("timeout"), settings.killGraceMs);
  }, limits.timeoutMs);
  const heartbeat = setInterval(() => emit({ kind: "heartbeat" }), settings.heartbeatMs);
  const memory = setInterval(() => {
    if (isTooLarge(process, limits, settings)) stop("memory");
  }, settings.memoryCheckMs);
  const lines = new LineBudget(limits);
  let sequence = 0;
  emit({ kind: "started" });
  if (signal.aborted) abandon();
  try {
    const end = await process.run(request, {
      syscall: (op, args) => {
        heard();
        return callbacks.call(request, { op, args, sequence: sequence++ }, ended.signal);
      },
      log: (printed) => {
        const kept = lines.take(printed);
        if (kept.length > 0) emit({ kind: "log", lines: kept });
      },
    });
    const result: ResultEvent = { kind: "result", result: resultOf(end, cause, limits) };
    emit(result);
    return result;
  } finally {
    // Requests of operations that nobody awaits are given up.
    ended.abort(ENDED);
    clearTimeout(timeout);
    clearTimeout(killing);
    clearInterval(heartbeat);
    clearInterval(memory);
    signal.removeEventListener("abort", abandon);
    lease.release();
  }
}

function isTooLarge(process: ActionProcess, limits: Limits, settings: ExecutionSettings): boolean {
  return (process.residentBytes ?? 0) > limits.memoryBytes + settings.overheadBytes;
}

function resultOf(end: CallEnd, cause: Cause, limits: Limits): ResultEvent["result"] {
  if (end.kind === "result") return end.result;
  if (end.kind === "analyzed") throw new Error("an action was analyzed instead of run");
  return { ok: false, error: { name: "", message: exitText(end.exit, cause, limits), whole: true } };
}

/** What is said of a process that said nothing itself. */
function exitText(exit: Exit, cause: Cause, limits: Limits): string {
  if (cause === "timeout") {
    // E-C-2, where nobody was there to answer.
    return (
      "Function execution unexpectedly timed out. Check your function for infinite loops or other long-running operations." +
      (limits.notes["timeoutMs"] ?? "")
    );
  }
  if (cause === "memory" || isHeapFull(exit)) {
    const megabytes = Math.floor(limits.memoryBytes / MIB);
    return (
      `JavaScript execution ran out of memory (maximum memory usage: ${megabytes} MB)` +
      (limits.notes["memoryBytes"] ?? "")
    );
  }
  const how = exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
  return `The Node.js process of this action ended unexpectedly (${how}).`;
}

function isHeapFull({ stderr }: Exit): boolean {
  return /heap out of memory|Reached heap limit|Allocation failed|Committing semi space failed/.test(stderr);
}

/** The child keeps the limits of the log itself; one that was tampered with must not fill the Worker's memory. */
class LineBudget {
  #lines: number;
  #characters: number;

  constructor({ logLines, logBytes }: Limits) {
    this.#lines = logLines;
    this.#characters = logBytes + 4096;
  }

  take<T extends { readonly messages: readonly string[] }>(lines: readonly T[]): T[] {
    return lines.filter(({ messages }) => {
      if (this.#lines <= 0) return false;
      this.#lines--;
      for (const message of messages) this.#characters -= message.length;
      return this.#characters >= 0;
    });
  }
}
