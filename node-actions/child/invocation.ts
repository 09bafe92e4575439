import { AsyncLocalStorage } from "node:async_hooks";
import type { ExecuteRequest, NodeSyscallResponse, NodeThrownError } from "../../src/protocol/node-actions.ts";
import type { CallResult, RunCall } from "../process/messages.ts";
import { CallLog } from "./call-log.ts";
import type { Channel } from "./channel.ts";

export const LEFTOVER =
  "Leftover state detected. This typically happens if there are dangling promises from a previous request. " +
  "Did you forget to await your promises?";

interface Pending {
  readonly op: string;
  readonly resolve: (response: NodeSyscallResponse) => void;
}

/** One call of this process. Calls don't overlap, but what an earlier one left behind may still be running. */
export class Invocation {
  readonly call: number;
  readonly executionId: string;
  readonly log: CallLog;
  readonly localAnswers: Readonly<Record<string, string>>;
  readonly limits: ExecuteRequest["limits"];
  /** Labels of `console.time`, milliseconds. */
  readonly consoleTimers = new Map<string, number>();
  readonly #channel: Channel;
  readonly #pending = new Map<number, Pending>();
  /** JS syscalls under way: they are made of others and of transfers. */
  readonly #transfers = new Map<number, string>();
  #nextId = 0;
  #ended = false;

  constructor(call: number, request: RunCall, channel: Channel) {
    this.call = call;
    this.executionId = request.executionId;
    this.localAnswers = request.localAnswers;
    this.limits = request.limits;
    this.#channel = channel;
    this.log = new CallLog(request.limits, (lines) => channel.send({ type: "log", call, lines }));
  }

  get ended(): boolean {
    return this.#ended;
  }

  get operations(): number {
    return this.#pending.size + this.#transfers.size;
  }

  syscall(op: string, args: string): Promise<NodeSyscallResponse> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#pending.set(id, { op, resolve });
      this.#channel.send({ type: "syscall", call: this.call, id, op, args });
    });
  }

  answered(id: number, response: NodeSyscallResponse): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.resolve(response);
  }

  async transfer<T>(op: string, run: () => Promise<T>): Promise<T> {
    const id = this.#nextId++;
    this.#transfers.set(id, op);
    try {
      return await run();
    } finally {
      this.#transfers.delete(id);
    }
  }

  /** The first end counts. Promises of operations that are still pending never settle. */
  end(result: CallResult, spent: boolean): void {
    if (this.#ended) return;
    const transferring = new Set(this.#transfers.values());
    const outstanding = [...this.#transfers.values(), ...[...this.#pending.values()].map(({ op }) => op)];
    for (const op of outstanding) {
      if (transferring.size > 0 && op.startsWith("1.0/storage")) continue;
      this.log.print("WARN", [`'${outstandingText(op)}'`]);
    }
    this.#ended = true;
    this.#pending.clear();
    this.#channel.send({ type: "result", call: this.call, result, spent });
  }

  fail(error: NodeThrownError): void {
    this.end({ ok: false, error }, true);
  }
}

/** E-C-9. */
function outstandingText(op: string): string {
  return (
    `You have an outstanding ${operationName(op)} call. Operations should be awaited or they might not run. ` +
    "Not awaiting promises might result in unexpected failures. " +
    "See https://docs.convex.dev/functions/actions#dangling-promises for more information."
  );
}

export function operationName(op: string): string {
  return op.replace(/^1\.0\//, "").replace(/^actions\//, "");
}

/** Which call the running code belongs to. */
export const invocations = new AsyncLocalStorage<Invocation>();
